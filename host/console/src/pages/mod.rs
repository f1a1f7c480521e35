//! The pages, one file or folder for each entry of the menu.

pub mod account;
pub mod home;
pub mod invitation;
pub mod knowledge;
pub mod members;
mod numbers;
pub mod playground;
pub mod security;
pub mod sign_in;
