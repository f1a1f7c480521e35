//! The pages, one file or folder for each entry of the menu.

pub mod account;
pub mod analytics;
pub mod billing;
pub mod company;
pub mod company_sign_in;
pub mod connections;
pub mod connectors;
pub mod custom;
pub mod deploy;
pub mod home;
pub mod inbox;
pub mod invitation;
pub mod knowledge;
pub mod logs;
pub mod mail;
pub mod members;
pub mod organization;
pub mod playground;
pub mod publishers;
pub mod security;
pub mod sign_in;
pub mod versions;
pub mod webhook;
