//! One group of jobs in one transaction: a savepoint for each that follows others, so that one's
//! failure undoes nothing of another's, and one COMMIT for all.

use rusqlite::{Connection, ErrorCode};

use super::CommitStep;
use super::fault::{Fault, Sql};
use super::job::{Job, Wakes};
use super::statements::Statements as _;

/// How a group ended.
pub(super) enum GroupEnd {
    /// Durable.
    Committed { wakes: Wakes },
    /// Nothing of the jobs that were run counts.
    RolledBack(Fault),
    /// COMMIT failed; only a look into the file tells whether it counts.
    Unknown(rusqlite::Error),
}

/// Runs jobs off the front of `waiting` into `done`, as far as one transaction goes: all of them
/// unless `SQLite` gives up the transaction in between, as it does on a full disk.
pub(super) fn run_group(
    connection: &Connection,
    stamp: &Stamp<'_>,
    commit: &dyn CommitStep,
    waiting: &mut std::vec::IntoIter<Box<dyn Job>>,
    done: &mut Vec<Box<dyn Job>>,
) -> GroupEnd {
    if let Err(fault) = connection.run("BEGIN IMMEDIATE", []) {
        // Whoever waits is told at once: the next group tries again.
        done.extend(waiting);
        return GroupEnd::RolledBack(fault);
    }
    let mut is_changed = false;
    let mut wakes = Wakes::Nobody;
    for mut job in waiting {
        let company = if is_changed {
            Company::Others
        } else {
            Company::Nobody
        };
        let ran = run_one(connection, job.as_mut(), company);
        let wakes_if_changed = job.manner().wakes;
        done.push(job);
        match ran {
            Ok(false) => {}
            Ok(true) => {
                is_changed = true;
                if wakes_if_changed == Wakes::Everybody {
                    wakes = Wakes::Everybody;
                }
            }
            Err(fault) => return roll_back(connection, fault),
        }
    }
    if !is_changed {
        return match connection.run("COMMIT", []) {
            Ok(_) => GroupEnd::Committed { wakes },
            Err(fault) => roll_back(connection, fault),
        };
    }
    if let Err(fault) = stamp.write(connection) {
        return roll_back(connection, fault);
    }
    match commit.commit(connection) {
        Ok(()) => GroupEnd::Committed { wakes },
        Err(error) if is_sound_after(&error) => ask(connection, stamp, error),
        Err(error) => GroupEnd::Unknown(error),
    }
}

/// A full disk or a lock is no doubt about what is in the file: `SQLite` has taken the transaction
/// back, or will. Opening anew would hang everybody until there is space.
fn is_sound_after(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy)
    )
}

/// Asks the connection itself whether the group counts.
fn ask(connection: &Connection, stamp: &Stamp<'_>, error: rusqlite::Error) -> GroupEnd {
    if !connection.is_autocommit() {
        return roll_back(connection, error.into());
    }
    match stamp.is_committed(connection) {
        Ok(true) => GroupEnd::Committed {
            wakes: Wakes::Everybody,
        },
        Ok(false) => GroupEnd::RolledBack(error.into()),
        Err(_) => GroupEnd::Unknown(error),
    }
}

/// A writer and the number of its group: written with the group, read when COMMIT failed.
pub(super) struct Stamp<'a> {
    pub(super) writer: &'a str,
    pub(super) number: i64,
}

impl Stamp<'_> {
    /// Puts the writer's row last: the places tell which writers wrote last. Where it is that already
    /// only the number changes, and with it one page and not two.
    pub(super) fn write(&self, connection: &Connection) -> Sql<()> {
        let is_last = connection.run(
            "UPDATE commit_groups SET number = ?2
             WHERE place = (SELECT max(place) FROM commit_groups) AND writer = ?1",
            (self.writer, self.number),
        )?;
        if is_last == 0 {
            self.write_anew(connection)?;
        }
        Ok(())
    }

    /// The same in a row of its own: SQLite writes nothing for a row that gets what it has.
    pub(super) fn write_anew(&self, connection: &Connection) -> Sql<()> {
        connection.run(
            "INSERT OR REPLACE INTO commit_groups (writer, number) VALUES (?1, ?2)",
            (self.writer, self.number),
        )?;
        Ok(())
    }

    /// True if the group counts.
    pub(super) fn is_committed(&self, connection: &Connection) -> Sql<bool> {
        connection.holds(
            "SELECT number = ?2 FROM commit_groups WHERE writer = ?1",
            (self.writer, self.number),
        )
    }
}

/// Whose changes a job finds in its transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Company {
    /// What fails takes the transaction with it: most groups are one job, and a savepoint copies
    /// every page that it changes.
    Nobody,
    Others,
}

impl Company {
    fn begin(self, connection: &Connection) -> Sql<()> {
        match self {
            Self::Nobody => Ok(()),
            Self::Others => connection.run("SAVEPOINT job", []).map(drop),
        }
    }

    fn undo(self, connection: &Connection) -> Sql<()> {
        let (back, again) = match self {
            Self::Nobody => ("ROLLBACK", "BEGIN IMMEDIATE"),
            Self::Others => ("ROLLBACK TO job", "RELEASE job"),
        };
        connection.run(back, [])?;
        connection.run(again, []).map(drop)
    }

    fn end(self, connection: &Connection) -> Sql<()> {
        match self {
            Self::Nobody => Ok(()),
            Self::Others => connection.run("RELEASE job", []).map(drop),
        }
    }
}

/// Whether it changed a row. An error means that the whole transaction is lost, not only this
/// job.
fn run_one(connection: &Connection, job: &mut dyn Job, company: Company) -> Sql<bool> {
    let changes_before = connection.total_changes();
    company.begin(connection)?;
    let is_done = job.run(connection);
    if connection.is_autocommit() {
        return Err(Fault::Refused(super::fault::unavailable().with(
            "cause",
            "SQLite gave up the transaction of a group, as it does on a full disk",
        )));
    }
    if is_done {
        company.end(connection)?;
    } else {
        company.undo(connection)?;
    }
    Ok(is_done && connection.total_changes() != changes_before)
}

fn roll_back(connection: &Connection, fault: Fault) -> GroupEnd {
    if !connection.is_autocommit()
        && let Err(error) = connection.run("ROLLBACK", [])
    {
        // The next BEGIN would fail for ever in an open transaction: the connection must go.
        let Fault::Sql(error) = error else {
            return GroupEnd::RolledBack(error);
        };
        return GroupEnd::Unknown(error);
    }
    GroupEnd::RolledBack(fault)
}
