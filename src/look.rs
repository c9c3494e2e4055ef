//! What is in the repository for each step of a plan, several asked for at once.

use futures_util::stream::{FuturesOrdered, StreamExt as _};

use crate::action::ActionConfig;
use crate::plan::{Plan, Planned};
use crate::registry::{Care, Found, Registry};
use crate::stop::Stop;

/// How many existing versions are asked for at once.
const LOOKS_AT_ONCE: usize = 8;

/// What is in the repository for each step of the plan.
pub async fn look(action: &ActionConfig, plan: &Plan, registry: &Registry, care: Care) -> Result<Vec<Found>, Stop> {
    let steps = plan.planned().iter().flat_map(|planned| (0..planned.files()).map(move |at| (planned, at)));
    let mut steps = steps.fuse();
    let mut looks = FuturesOrdered::new();
    let mut found = Vec::with_capacity(plan.planned().iter().map(Planned::files).sum());
    loop {
        for (planned, at) in steps.by_ref().take(LOOKS_AT_ONCE - looks.len()) {
            looks.push_back(Box::pin(async move {
                let package = plan.package(planned);
                // A package has as many steps as files.
                let Some(step) = package.steps.get(at) else { return Ok(Found::Absent) };
                let found = registry.look(&action.target.repository, step, care).await;
                found.map_err(|error| Stop::registry(error, Some(&package)))
            }));
        }
        match looks.next().await {
            Some(one) => found.push(one?),
            None => return Ok(found),
        }
    }
}
