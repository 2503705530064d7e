//! The environments and what is made of their rows: everything that needs no interpreter.

use std::sync::Arc;

use datasets::layouts::Layout;
use systems::envs::{EnvSpec, Seeds, Snapshot, VectorEnv, VectorSpec};

use crate::{
    array::PyFrame,
    dense::{self, Dense, DenseMoment, History},
    error::Fault,
};

/// A vector of environments, and the dense observations of its rows if a layout is wanted.
pub(crate) struct Inner {
    pub(crate) envs: VectorEnv,
    dense: Option<Dense>,
}

/// Some environments at one moment.
pub(crate) struct Moment {
    snapshot: Snapshot,
    /// What their agents remember, and their dense rows.
    dense: Option<DenseMoment>,
}

impl Inner {
    pub(crate) fn new(spec: VectorSpec, layout: Option<Layout>) -> Result<Self, Fault> {
        let played = spec.envs.clone();
        let mut envs = VectorEnv::new(spec).map_err(Fault::argument)?;
        let histories = histories(&envs, &played, layout)?;
        let dense = layout.map(|layout| Dense::new(layout, &mut envs, histories));
        Ok(Self { envs, dense })
    }

    /// The rows as they are now.
    pub(crate) fn frame(&self) -> PyFrame {
        let dense = self.dense.as_ref().map(|dense| (dense.rows.clone(), dense.channels()));
        PyFrame { rows: self.envs.frame().clone(), dense }
    }

    /// Environments that ended in the last step, and their last rows.
    pub(crate) fn finals(&self) -> Option<(Vec<usize>, PyFrame)> {
        let finals = self.envs.finals()?;
        let dense = self.dense.as_ref();
        let dense = dense.and_then(|dense| Some((dense.finals.clone()?, dense.channels())));
        Some((finals.envs.clone(), PyFrame { rows: finals.frame.clone(), dense }))
    }

    /// Plays one tick; see [`VectorEnv::step`].
    pub(crate) fn step(&mut self, actions: &[i32]) -> Result<(), Fault> {
        self.envs.step(actions).map_err(Fault::argument)?;
        if let Some(dense) = &mut self.dense {
            dense.lay_out(&mut self.envs, None);
        }
        Ok(())
    }

    /// Begins new episodes; see [`VectorEnv::reset`]. Only their rows are laid out anew: the agents
    /// of the others saw nothing, and would forget what they did.
    pub(crate) fn reset(
        &mut self,
        mask: Option<&[bool]>,
        seeds: Option<&Seeds>,
    ) -> Result<(), Fault> {
        self.envs.reset(mask, seeds).map_err(Fault::argument)?;
        if let Some(dense) = &mut self.dense {
            let all = vec![true; if mask.is_none() { self.envs.len() } else { 0 }];
            dense.lay_out(&mut self.envs, Some(mask.unwrap_or(&all)));
        }
        Ok(())
    }

    /// Changes what environments play from their next episodes on.
    pub(crate) fn set_spec(&mut self, envs: &[usize], spec: &Arc<EnvSpec>) -> Result<(), Fault> {
        let layout = self.dense.as_ref().map(|dense| dense.layout);
        let (format, seats) = (self.envs.format(), self.envs.seats().to_vec());
        let mut history: Option<History> = None;
        for &env in envs {
            self.envs.set_spec(env, spec.clone()).map_err(Fault::argument)?;
            let seen = match &history {
                Some(seen) => seen.clone(),
                None => dense::history(layout, &spec.opening, format, &seats)?,
            };
            if let Some(dense) = &mut self.dense {
                dense.set_history(env, seen.clone());
            }
            history = Some(seen);
        }
        Ok(())
    }

    pub(crate) fn moment(&self, envs: &[usize]) -> Result<Moment, Fault> {
        let snapshot = self.envs.snapshot(envs).map_err(Fault::argument)?;
        let dense = self.dense.as_ref().map(|dense| dense.moment(envs, self.envs.frame()));
        Ok(Moment { snapshot, dense })
    }

    /// Makes environments copies of others; see [`VectorEnv::copy`].
    pub(crate) fn copy(&mut self, from: &[usize], to: &[usize]) -> Result<(), Fault> {
        self.envs.copy(from, to).map_err(Fault::argument)?;
        if let Some(dense) = &mut self.dense {
            // What is dense of the environments is as it was.
            let moment = dense.moment(from, self.envs.frame());
            dense.restore(&moment, to, self.envs.frame());
        }
        Ok(())
    }

    pub(crate) fn restore(&mut self, moment: &Moment, envs: &[usize]) -> Result<(), Fault> {
        let kept = moment.dense.as_ref().map(|dense| dense.layout);
        let wanted = self.dense.as_ref().map(|dense| dense.layout);
        if kept != wanted {
            let name = |layout: Option<Layout>| layout.map_or("no layout", Layout::name);
            return Err(Fault::Argument(format!(
                "the snapshot is of environments with another layout: {}, these have {}",
                name(kept),
                name(wanted)
            )));
        }
        self.envs.restore(&moment.snapshot, envs).map_err(Fault::argument)?;
        if let (Some(dense), Some(moment)) = (&mut self.dense, &moment.dense) {
            dense.restore(moment, envs, self.envs.frame());
        }
        Ok(())
    }
}

/// What is seen before the first episodes begin, environment by environment.
fn histories(
    envs: &VectorEnv,
    played: &[Arc<EnvSpec>],
    layout: Option<Layout>,
) -> Result<Vec<History>, Fault> {
    let mut histories: Vec<History> = Vec::with_capacity(played.len());
    for (number, spec) in played.iter().enumerate() {
        let twin = number.checked_sub(1).filter(|&last| Arc::ptr_eq(&played[last], spec));
        histories.push(match twin {
            Some(twin) => histories[twin].clone(),
            None => dense::history(layout, &spec.opening, envs.format(), envs.seats())?,
        });
    }
    Ok(histories)
}
