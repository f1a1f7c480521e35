//! The binary `resly`.

use std::process::ExitCode;

fn main() -> ExitCode {
    resly_server::command::main()
}
