# What a contributor and the continuous integration run.

CARGO ?= cargo

.PHONY: demo test bench instructions record-instructions growth check fmt clippy doc deny packages

# A directory to try: needs nothing but the toolchain.
demo:
	$(CARGO) run --release -- demo

# Everything: formatting, lints, all tests against a real Samba domain and a real SSSD, documentation.
test: packages fmt clippy
	$(CARGO) test
	$(MAKE) doc

# The fast part, without other programs.
check: fmt clippy doc deny

# Single functions first, then whole servers with the same data, in turns, with slapd of Debian. The floor
# sends canned answers; servers and load are kept on processors of their own.
bench:
	scripts/install-test-packages slapd
	$(CARGO) bench --bench decode --bench encode --bench filter --bench index
	$(CARGO) bench --bench load -- --pin --rounds 3 --floor --adduct --slapd --users $(USERS) \
		--connections 16 --duration 3s --idle --workload $(WORKLOADS) $(OPTIONS)
	$(CARGO) bench --bench load -- --pin --rounds 3 --floor --adduct --slapd --tls \
		--users $(USERS) --connections 16 --duration 3s --workload session $(OPTIONS)

USERS = 10000
# For example --json.
OPTIONS =
WORKLOADS = search-uid,search-uid-deep,search-member,empty,unknown,base,group,group-deref,$\
	bind,session,mixed,enumerate,substring,substring-unindexed,compare,rootdse,subschema,connect,update

# The same in directories of several sizes, and how many times the first size's figures they are.
growth:
	scripts/install-test-packages slapd
	$(CARGO) bench --bench load -- --pin --rounds 3 --adduct --slapd --users $(SIZES) \
		--connections 16 --duration 3s --workload search-uid,search-member,bind,mixed,update $(OPTIONS)

SIZES = 10000,100000,1000000

# Instructions of single functions and whole requests beside those recorded: needs valgrind.
# `make record-instructions` records what a change costs or saves; it goes into the same commit.
instructions:
	scripts/instructions

record-instructions:
	scripts/instructions record

packages:
	scripts/install-test-packages

fmt:
	$(CARGO) fmt --check

clippy:
	$(CARGO) clippy --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps

deny:
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny check; \
	else echo "cargo-deny is not installed: licences and advisories are not checked"; fi
