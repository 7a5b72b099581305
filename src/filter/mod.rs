//! Search filters (RFC 4511 section 4.5.1.7, RFC 4515).
/// x
pub struct Filter;
impl Filter {
    /// x
    pub fn parse(_: &str) -> Result<Self, ()> { Err(()) }
    /// x
    pub fn as_request(&self) -> crate::proto::request::Filter<'_> { crate::proto::request::Filter::Unknown }
}
