//! Which shape does the database have, and how does it get the one that this version needs?
//!
//! Migrations go forward only. Each is one transaction that begins with its line in
//! `schema_version`: of several processes that start at once the first writes it, and the others
//! find it written.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::Row as _;

use super::database::Database;
use super::failure::is_repeat;
use crate::store::StoreError;

struct Migration {
    version: i64,
    name: &'static str,
    text: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "clients_keys_revocations",
        text: include_str!("../../../migrations/0001_clients_keys_revocations.sql"),
    },
    Migration {
        version: 2,
        name: "people_codes_families",
        text: include_str!("../../../migrations/0002_people_codes_families.sql"),
    },
    Migration {
        version: 3,
        name: "client_authentication",
        text: include_str!("../../../migrations/0003_client_authentication.sql"),
    },
    Migration {
        version: 4,
        name: "authorization_requests",
        text: include_str!("../../../migrations/0004_authorization_requests.sql"),
    },
    Migration {
        version: 5,
        name: "devices",
        text: include_str!("../../../migrations/0005_devices.sql"),
    },
    Migration {
        version: 6,
        name: "registration",
        text: include_str!("../../../migrations/0006_registration.sql"),
    },
    Migration {
        version: 7,
        name: "audit_factors",
        text: include_str!("../../../migrations/0007_audit_factors.sql"),
    },
    Migration {
        version: 8,
        name: "claims_of_people",
        text: include_str!("../../../migrations/0008_claims_of_people.sql"),
    },
    Migration {
        version: 9,
        name: "backchannel",
        text: include_str!("../../../migrations/0009_backchannel.sql"),
    },
    Migration {
        version: 10,
        name: "backchannel_logout",
        text: include_str!("../../../migrations/0010_backchannel_logout.sql"),
    },
    Migration {
        version: 11,
        name: "refresh_replays",
        text: include_str!("../../../migrations/0011_refresh_replays.sql"),
    },
    Migration {
        version: 12,
        name: "keys",
        text: include_str!("../../../migrations/0012_keys.sql"),
    },
    Migration {
        version: 13,
        name: "wishes",
        text: include_str!("../../../migrations/0013_wishes.sql"),
    },
    Migration {
        version: 14,
        name: "client_version",
        text: include_str!("../../../migrations/0014_client_version.sql"),
    },
    Migration {
        version: 15,
        name: "passkeys",
        text: include_str!("../../../migrations/0015_passkeys.sql"),
    },
    Migration {
        version: 16,
        name: "labels",
        text: include_str!("../../../migrations/0016_labels.sql"),
    },
    Migration {
        version: 17,
        name: "linked_accounts",
        text: include_str!("../../../migrations/0017_linked_accounts.sql"),
    },
    Migration {
        version: 18,
        name: "at_scale",
        text: include_str!("../../../migrations/0018_at_scale.sql"),
    },
    Migration {
        version: 19,
        name: "directory_roles",
        text: include_str!("../../../migrations/0019_directory_roles.sql"),
    },
    Migration {
        version: 20,
        name: "gateway_keys",
        text: include_str!("../../../migrations/0020_gateway_keys.sql"),
    },
    Migration {
        version: 21,
        name: "last_ends",
        text: include_str!("../../../migrations/0021_last_ends.sql"),
    },
];

const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_version (
    version BIGINT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL, applied_at BIGINT NOT NULL
)";

/// How often a start may lose the race against another process before it gives up.
const ATTEMPTS: u32 = 20;

pub(super) async fn migrate(database: &Database, now: i64) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS {
        match attempt(database, now).await {
            Err(Setback::Overtaken) => {}
            Err(Setback::Failed(failure)) => return Err(failure),
            Ok(()) => return Ok(()),
        }
    }
    Err(StoreError::Late)
}

enum Setback {
    /// Another process was first; what it did is to be looked at.
    Overtaken,
    Failed(StoreError),
}

impl From<sqlx::Error> for Setback {
    fn from(failure: sqlx::Error) -> Self {
        if is_repeat(&failure) { Self::Overtaken } else { Self::Failed(failure.into()) }
    }
}

async fn attempt(database: &Database, now: i64) -> Result<(), Setback> {
    let mut setup = database.begin().await?;
    sqlx::query(VERSIONS).execute(&mut *setup).await?;
    let rows = sqlx::query("SELECT version, digest FROM schema_version ORDER BY version")
        .fetch_all(&mut *setup)
        .await?;
    setup.commit().await?;

    let mut applied = Vec::new();
    for row in rows {
        let (version, digest): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        applied.push(version);
        let known = MIGRATIONS.iter().find(|migration| migration.version == version);
        if known.is_some_and(|migration| migration.digest() != digest) {
            return Err(Setback::Failed(StoreError::Edited { version }));
        }
    }
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let found = applied.iter().copied().max().unwrap_or(0);
    if found > known {
        return Err(Setback::Failed(StoreError::Newer { found, known }));
    }
    let missing = |migration: &&Migration| !applied.contains(&migration.version);
    for migration in MIGRATIONS.iter().filter(missing) {
        migration.apply(database, now).await?;
        tracing::info!(version = migration.version, name = migration.name, "store migrated");
    }
    Ok(())
}

impl Migration {
    async fn apply(&self, database: &Database, now: i64) -> Result<(), Setback> {
        let mut change = database.begin().await?;
        sqlx::query(
            "INSERT INTO schema_version (version, name, digest, applied_at) VALUES ($1, $2, $3, $4)",
        )
        .bind(self.version)
        .bind(self.name)
        .bind(self.digest())
        .bind(now)
        .execute(&mut *change)
        .await?;
        sqlx::raw_sql(self.text).execute(&mut *change).await?;
        change.commit().await?;
        Ok(())
    }

    fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.text.as_bytes()))
    }
}
