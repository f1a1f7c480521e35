//! The pages, one file or folder for each entry of the menu.

pub mod account;
pub mod home;
pub mod inbox;
pub mod invitation;
pub mod members;
pub mod sign_in;
