//! Snapshots get their names: once a job, for all of them, before the first byte goes out. What the newest build holds
//! already is not built anew.

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::action::{ActionConfig, Existing};
use crate::deadline::Deadline;
use crate::hold::Hold;
use crate::look::look;
use crate::plan::Plan;
use crate::registry::url::RepoPath;
use crate::registry::{Care, Found, Registry};
use crate::stamp::Stamp;
use crate::stop::Stop;

/// How many repositories' documents are asked for at once.
const READS_AT_ONCE: usize = 8;

/// The plan with the names that its files have in the repository, where they are not in it already. `digest` is that of
/// the plan as it is; the names are held, so that whoever goes on with the job has the same.
pub async fn named(
    action: &ActionConfig,
    plan: &Plan,
    digest: &str,
    registry: &Registry,
    hold: &mut Hold<'_>,
    deadline: Deadline,
) -> Result<Option<Plan>, Stop> {
    let snapshots = plan.snapshots();
    if snapshots.is_empty() {
        hold.fix(None);
        return Ok(None);
    }
    if let Some(stamp) = hold.stamp(digest) {
        return Ok(Some(plan.stamped(&stamp)));
    }
    let newest = newest(action, registry, snapshots).await?;
    let again = again(action, plan, registry, &newest).await?;
    // One number for all of a job's snapshots, higher than that of any of them: numbers may have gaps.
    let number = newest.iter().flatten().map(Stamp::number).max().unwrap_or(0);
    let stamp = again.unwrap_or_else(|| Stamp::after(number, deadline.now_millis()));
    let named = plan.stamped(&stamp);
    hold.fix(Some(stamp));
    Ok(Some(named))
}

/// The newest build of each of these snapshots.
async fn newest(
    action: &ActionConfig,
    registry: &Registry,
    snapshots: Vec<RepoPath>,
) -> Result<Vec<Option<Stamp>>, Stop> {
    let mut waiting = snapshots.into_iter();
    let mut reads = FuturesUnordered::new();
    let mut newest = Vec::new();
    loop {
        for metadata in waiting.by_ref().take(READS_AT_ONCE - reads.len()) {
            reads.push(async move { registry.newest_build(&action.target.repository, &metadata).await });
        }
        match reads.next().await {
            Some(read) => newest.push(read.map_err(|error| Stop::registry(error, None))?),
            None => return Ok(newest),
        }
    }
}

/// The build that holds all of this already: of a stage that is tried again, say.
async fn again(
    action: &ActionConfig,
    plan: &Plan,
    registry: &Registry,
    newest: &[Option<Stamp>],
) -> Result<Option<Stamp>, Stop> {
    let [Some(first), rest @ ..] = newest else { return Ok(None) };
    if action.existing == Existing::Fail || rest.iter().any(|other| other.as_ref() != Some(first)) {
        return Ok(None);
    }
    let found = look(action, &plan.stamped(first), registry, Care::Usual).await?;
    Ok(found.iter().all(Found::is_there).then(|| first.clone()))
}
