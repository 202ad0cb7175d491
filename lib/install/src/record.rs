//! An agent as both doors tell it: what is installed of it, and what it can.

use agents::recipe::{Install, Recipe};
use agents::registry;
use schema::record::{AgentFound, AgentRecord};

use crate::place::Places;

/// An agent as it is told: what is installed of it, and what it can. `None`: this version is not installed.
pub fn record(places: &Places, install: &'static Install, version: Option<&str>) -> Option<AgentRecord> {
    let all = places.installed(install.name);
    let chosen = places.choose(install.name, version);
    if version.is_some() && chosen.is_none() {
        return None;
    }
    let (found, program) = match (&chosen, install.recipe) {
        (_, Recipe::BuiltIn) => (AgentFound::BuiltIn, None),
        (Some(installed), _) => (AgentFound::Installed, Some(installed.program())),
        (None, _) => match host::find::program(install.program.as_ref(), &places.bins()) {
            Ok(program) => (AgentFound::Path, Some(program)),
            Err(_) => (AgentFound::Nowhere, None),
        },
    };
    let agent = registry::driver(install.name);
    let card = agent.map(|agent| agent.card());
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    Some(AgentRecord {
        agent: install.name.to_owned(),
        found,
        version: match found {
            AgentFound::BuiltIn => Some(install.tested.to_owned()),
            AgentFound::Installed | AgentFound::Path | AgentFound::Nowhere => {
                chosen.as_ref().map(|installed| installed.manifest.version.clone())
            }
        },
        program: program.map(|program| program.display().to_string()),
        source: chosen.as_ref().map(|installed| installed.manifest.source.clone()),
        node: chosen.as_ref().and_then(|it| it.manifest.node.as_ref()).map(|node| node.display().to_string()),
        installed: all.into_iter().map(|installed| installed.manifest.version).collect(),
        tested: Some(install.tested.to_owned()).filter(|tested| !tested.is_empty()),
        latest: None,
        install: install.to_string(),
        drivable: card.is_some(),
        title: card.map_or(install.name, |card| card.title).to_owned(),
        modes: card.map(|card| words(card.modes)).unwrap_or_default(),
        efforts: card.map(|card| words(card.efforts)).unwrap_or_default(),
        permission_modes: card
            .map(|card| card.permission_modes.iter().map(|mode| mode.as_str().to_owned()).collect())
            .unwrap_or_default(),
        capabilities: card.map(|card| words(&card.can.names())).unwrap_or_default(),
        features: card
            .map(|card| card.features().into_iter().map(|(name, support)| (name.to_owned(), support)).collect())
            .unwrap_or_default(),
        verified: agent.is_some_and(|agent| agent.is_verified()),
        offer: None,
        offer_error: None,
    })
}
