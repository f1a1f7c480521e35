//! REST over the tables: the same requests give the same rows on both databases, to the byte.

mod bounds;
pub mod data;
mod embeds;
mod reads;
mod searches;
mod touches;
mod writes;
