//! Which API is called, and is the caller told how the call is judged there?

use plan::Hit;

use super::view::View;
use crate::fault::Fault;
use crate::handlers::Trial;
use crate::received::Received;
use crate::router;
use crate::worker::Held;

/// The API that is called. A `view` comes of it where one is asked for and the test key is good for the
/// API; an explanation that is asked for without such a key is a refusal, and never a call.
pub fn find_api<'g>(
    generation: &'g Held,
    received: &'g Received,
    trial: Option<&Trial>,
    view: &mut Option<Box<View>>,
) -> Result<Hit<'g>, Fault> {
    let Some(trial) = trial else { return router::find_api(&generation.plan, received) };
    if trial.explains() && trial.opens_all() {
        // Also that there is no API is explained.
        *view = Some(Box::new(View::new(generation, None, true)));
    }
    let hit = trial.find_api(&generation.plan, received)?;
    let wanted = trial.explains() || trial.debugs();
    if wanted && trial.opens(hit.api) {
        *view = Some(Box::new(View::new(generation, Some(hit.api), trial.explains())));
    } else if trial.explains() {
        return Err(Trial::refused());
    }
    Ok(hit)
}
