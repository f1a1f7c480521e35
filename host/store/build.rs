//! Rebuilds when a migration is added: `sqlx::migrate!` reads the folders while it compiles.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
