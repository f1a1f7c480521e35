//! The way from a connector in the catalogue to a connection that chats use.

use maud::Markup;

use crate::parts::steps;

/// The steps of the installation, by their place.
#[derive(Clone, Copy)]
pub enum At {
    Permissions,
    Environment,
    Settings,
    Authenticate,
    Test,
    Enable,
}

/// The steps, with the addresses of those that can be gone to.
pub fn progress(at: At, links: [Option<String>; 6]) -> Markup {
    let titles = ["Permissions", "Environment", "Settings", "Authenticate", "Test", "Enable"];
    let all: Vec<(&str, Option<String>)> = titles.into_iter().zip(links).collect();
    steps("Installation", at as usize, &all)
}
