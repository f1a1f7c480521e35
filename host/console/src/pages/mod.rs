//! The pages, one file or folder for each entry of the menu.

pub mod account;
pub mod billing;
pub mod deploy;
pub mod home;
pub mod invitation;
pub mod members;
pub mod organization;
pub mod security;
pub mod sign_in;
pub mod webhook;
