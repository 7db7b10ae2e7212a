//! Learning bases, and when they sound.

use super::mixture::Mixture;
use super::parts::{Job, Run};
use super::recipe::{Settings, Teacher};
use super::seen::most_frames;
use crate::failure::Failure;
use crate::progress::Watch;
use crate::text::number;
use ndarray::{Array2, Axis, concatenate};
use nmf_audio::sources::{Guide, factor, raise_zeros, subdivide};
use nmf_core::{Backend, Element, Fitted, Norm};

/// All runs, the number of the best, and that one in full.
pub(super) struct Learned<T: Element> {
    pub(super) runs: Vec<Run<T>>,
    pub(super) best: usize,
    pub(super) fitted: Fitted<T>,
    /// Factorizations made, also those that were not kept.
    pub(super) made: usize,
}

impl Job<'_> {
    /// Bases and activations of all runs, and the best run in full.
    pub(super) fn learn<B: Backend>(
        &self,
        b: &mut B,
        mixture: &mut Mixture,
        x: &Array2<B::Elem>,
    ) -> Result<Learned<B::Elem>, Failure> {
        let Settings { teacher, recipe, bases, sources, .. } = &self.settings;
        let seed = self.args.seed.unwrap_or(0);
        let seeds: Vec<u64> = (0..self.settings.runs as u64).map(|r| seed.wrapping_add(r)).collect();
        let none = || Failure::usage("--runs 0 is not accepted: at least 1");
        let blame = |e| Failure::matrix(&self.args.mix, e);
        let mut watch = Watch::new(self.global, "separating", Some(self.interruptible));
        if *teacher == Teacher::Blind {
            let tries: Vec<_> = seeds.iter().map(|seed| (*seed, Guide::none())).collect();
            let all = factor(b, x, *sources, recipe, &tries, &mut watch).map_err(blame)?;
            let made = all.len();
            let best = all.into_iter().min_by(|a, b| a.objective().total_cmp(&b.objective())).ok_or_else(none)?;
            let (fitted, groups) = if bases > sources {
                subdivide(b, x, &best, *bases, recipe, &mut watch).map_err(blame)?
            } else {
                (best, (0..*sources).map(|q| vec![q]).collect())
            };
            let fitted = fitted.normalized(Norm::WSum);
            let run = Run { w: fitted.w().to_owned(), h: fitted.h().to_owned(), groups };
            return Ok(Learned { runs: vec![run], best: 0, fitted, made });
        }
        let silent = self.train.as_ref().map_or_else(Vec::new, |t| self.seen.columns(t));
        let heard = match &self.train {
            // the beginning of a long part has all there is to learn
            Some(t) => {
                let most = t.start..t.end.min(t.start + most_frames(mixture));
                if most.end < t.end {
                    let seconds = most.len() as f64 * mixture.stft.hop() as f64 / f64::from(mixture.rate());
                    self.global.note(format!("--train: its first {seconds:.0} s are learned from"));
                }
                vec![mixture.spectrum(most, self.settings.spectrum_exponent)?]
            }
            None => self.examples.clone(),
        };
        if self.train.is_some() && heard[0].iter().all(|v| *v == 0.0) {
            return Err(Failure::file(
                &self.args.mix,
                "is silent in the part of --train: nothing can be learned from it",
            ));
        }
        let mut learned = Vec::new();
        for seed in seeds {
            learned.push((seed, self.given(b, &heard, seed)?));
            if self.interruptible.stopping() {
                break;
            }
        }
        let tries: Vec<_> = learned
            .iter()
            .map(|(seed, (given, sizes))| {
                let all_given = sizes.iter().sum::<usize>() == *bases;
                let silent = if all_given { Vec::new() } else { silent.clone() };
                (*seed, Guide { given: Some(given.view()), silent })
            })
            .collect();
        let mut runs = Vec::new();
        let mut kept: Option<(usize, Fitted<B::Elem>)> = None;
        let all = factor(b, x, *bases, recipe, &tries, &mut watch).map_err(blame)?;
        for (fitted, (_, (_, sizes))) in all.into_iter().zip(&learned) {
            // bases of one loudness, so that activations can be compared
            let fitted = fitted.normalized(Norm::WSum);
            self.global.detail(format!("run {}: objective {}", runs.len() + 1, number(fitted.objective())));
            runs.push(Run { w: fitted.w().to_owned(), h: fitted.h().to_owned(), groups: groups_of(sizes, *bases) });
            if kept.as_ref().is_none_or(|(_, old)| fitted.objective() < old.objective()) {
                kept = Some((runs.len() - 1, fitted));
            }
        }
        let (best, fitted) = kept.ok_or_else(none)?;
        let made = runs.len();
        Ok(Learned { runs, best, fitted, made })
    }

    /// Bases that are learned first from what is `heard` of each source (bins × j·L), and how many of each.
    fn given<B: Backend>(
        &self,
        b: &mut B,
        heard: &[Array2<f32>],
        seed: u64,
    ) -> Result<(Array2<B::Elem>, Vec<usize>), Failure> {
        let Settings { learning, train_bases, .. } = &self.settings;
        let mut watch = Watch::new(self.global, "learning", Some(self.interruptible));
        let sizes: Vec<usize> = match &self.train {
            Some(_) => vec![*train_bases],
            None => self.args.learn.iter().map(|l| l.bases).collect(),
        };
        let mut parts = Vec::new();
        for (i, (x, bases)) in heard.iter().zip(&sizes).enumerate() {
            let mut x = x.clone();
            raise_zeros(&mut x, &learning.loss);
            let x = x.mapv(|v| B::Elem::of(f64::from(v)));
            let from = self.args.learn.get(i).map_or(&self.args.mix, |l| &l.path);
            let blame = |e| Failure::from(e).prefixed(&from.display().to_string());
            let fitted = factor(b, &x, *bases, learning, &[(seed, Guide::none())], &mut watch).map_err(blame)?;
            parts.push(fitted[0].w().to_owned());
        }
        let views: Vec<_> = parts.iter().map(|p| p.view()).collect();
        Ok((concatenate(Axis(1), &views).map_err(|e| Failure::work(e.to_string()))?, sizes))
    }
}

/// Bases of each source when the first `sizes` are given and the others are the rest.
fn groups_of(sizes: &[usize], bases: usize) -> Vec<Vec<usize>> {
    let mut groups = Vec::new();
    let mut first = 0;
    for n in sizes {
        groups.push((first..first + n).collect());
        first += n;
    }
    groups.push((first..bases).collect());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_what_nobody_taught() {
        assert_eq!(groups_of(&[2, 1], 5), [vec![0, 1], vec![2], vec![3, 4]]);
        assert_eq!(groups_of(&[2], 2), [vec![0, 1], vec![]]);
    }
}
