//! Rebuilds when a migration is added: `sqlx_macros::migrate!` reads the folders while it compiles.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
