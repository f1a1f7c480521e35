//! The pages, one file or folder for each entry of the menu.

pub mod account;
pub mod connections;
pub mod connectors;
pub mod custom;
pub mod home;
pub mod inbox;
pub mod invitation;
pub mod knowledge;
pub mod logs;
pub mod members;
mod numbers;
pub mod playground;
pub mod publishers;
pub mod security;
pub mod sign_in;
pub mod versions;
