use super::*;

#[test]
fn the_builtin_definitions_can_be_read() {
    if let Err(error) = Schema::with_files(&[]) {
        panic!("{error}");
    }
}
