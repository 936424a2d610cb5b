//! The schema of a SQL store: numbered steps that the binary carries.
//!
//! Written out because `sqlx::migrate!` would build the whole of sqlx, SQLite's C source included, a second time for the
//! compiler: half a minute of everybody's first build.

use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// The steps in their order; the first is number 1. A step that has been released never changes: the store remembers its
/// checksum and refuses another.
pub fn migrator(steps: &[&'static str]) -> Migrator {
    let migrations = (1..).zip(steps).map(|(number, step)| {
        Migration::new(number, Cow::Borrowed(""), MigrationType::Simple, step.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}
