//! The compile child by itself, for tests. The product's own is `resly compile`.

use std::process::ExitCode;

fn main() -> ExitCode {
    resly_sandbox::compile_main()
}
