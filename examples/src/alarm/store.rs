//! All policies, found by scope and instance.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::message::Point;
use super::policy::{Instance, Policy, PolicySpec, Scope};

/// Number of a policy: its place in the store.
pub type PolicyId = u32;

/// The most policies a store takes.
pub const MAX_POLICIES: usize = 7_000_000;

/// Names of regions, products and metrics, as small numbers.
#[derive(Debug, Default)]
struct Names {
    numbers: FxHashMap<Box<str>, u16>,
    names: Vec<Box<str>>,
}

impl Names {
    fn number(&mut self, name: &str) -> u16 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = u16::try_from(self.names.len()).expect("fewer than 65,536 names");
        self.names.push(name.into());
        self.numbers.insert(name.into(), number);
        number
    }
}

/// Collects policies; [`finish`](Self::finish) makes the store.
#[derive(Debug, Default)]
pub struct StoreBuilder {
    names: Names,
    policies: Vec<Policy>,
}

impl StoreBuilder {
    /// A builder with room for `count` policies.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self {
            names: Names::default(),
            policies: Vec::with_capacity(count),
        }
    }

    /// The scope of three names, which are remembered.
    ///
    /// # Panics
    /// When there are more than 65,535 names.
    pub fn scope(&mut self, region: &str, product: &str, metric: &str) -> Scope {
        Scope {
            region: self.names.number(region),
            product: self.names.number(product),
            metric: self.names.number(metric),
        }
    }

    /// Adds policies in their compact form.
    pub fn extend(&mut self, policies: &[Policy]) {
        self.policies.extend_from_slice(policies);
    }

    /// Adds a policy as people write it.
    pub fn add(&mut self, spec: &PolicySpec) {
        let scope = self.scope(&spec.region, &spec.product, &spec.metric);
        self.policies.push(Policy {
            scope,
            instance: spec.instance.as_deref().map(Instance::named),
            comparison: spec.comparison,
            threshold: spec.threshold,
            periods: spec.periods.get(),
            level: spec.level,
            channels: spec.channels.iter().copied().collect(),
            shield: spec.shield,
        });
    }

    /// Sorts the policies and makes the store.
    #[must_use]
    pub fn finish(self) -> PolicyStore {
        let Self {
            names,
            mut policies,
        } = self;
        policies.sort_by_key(|policy| (policy.scope, policy.instance));
        let mut scopes = FxHashMap::default();
        let mut parts = Vec::new();
        let mut start = 0;
        for scope in policies.chunk_by(|a, b| a.scope == b.scope) {
            let own = scope.partition_point(|policy| policy.instance.is_none());
            let (all, own) = scope.split_at(own);
            let place = Place {
                start,
                own: start + all.len(),
                parts: parts.len(),
                part_count: own.len() / PART + 1,
            };
            let part_of = |policy: &Policy| {
                let instance = policy.instance.expect("the others come first");
                instance.place_among(place.part_count)
            };
            let mut at = 0;
            for part in 0..=place.part_count {
                let before = own[at..].iter().take_while(|policy| part_of(policy) < part);
                at += before.count();
                parts.push((place.own + at) as u32);
            }
            scopes.insert(scope[0].scope, place);
            start += scope.len();
        }
        PolicyStore {
            names,
            policies,
            scopes,
            parts,
        }
    }
}

/// All policies, sorted by scope, those for all instances first.
#[derive(Debug)]
pub struct PolicyStore {
    names: Names,
    policies: Vec<Policy>,
    scopes: FxHashMap<Scope, Place>,
    /// Where each part of a scope's policies begins, and the last one ends.
    parts: Vec<u32>,
}

/// About how many policies a part has. An instance is a hash, which says what part of
/// its scope's policies it is in: to look there takes about two misses of the cache,
/// where halving would take one a step.
const PART: usize = 4;

/// Where the policies of a scope lie: from `start` those for all instances, from `own`
/// on those for one, in so many parts.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    own: usize,
    parts: usize,
    part_count: usize,
}

/// Where the policies lie that watch a point.
#[derive(Clone, Debug)]
struct Watching {
    instance: Instance,
    all: Range<usize>,
    /// The part in which those for its instance are.
    own: Range<usize>,
}

impl PolicyStore {
    /// How many policies there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// The policy with this number.
    #[must_use]
    pub fn get(&self, id: PolicyId) -> Option<&Policy> {
        self.policies.get(id as usize)
    }

    /// The name with this number, of a region, product or metric.
    #[must_use]
    pub fn name(&self, number: u16) -> &str {
        &self.names.names[usize::from(number)]
    }

    /// The policies that watch `point`.
    pub fn watching(&self, point: &Point) -> impl Iterator<Item = (PolicyId, &Policy)> {
        self.of(&self.find(point))
    }

    /// Lets `each` see every point with its instance and one of the policies that watch it.
    ///
    /// Of some points together it looks first where their policies are: to look there misses
    /// the cache about twice a point, and the processor waits for many misses as long as for
    /// one.
    pub fn watching_all<'a>(
        &'a self,
        points: &'a [Point],
        mut each: impl FnMut(&'a Point, Instance, PolicyId, &'a Policy),
    ) {
        const TOGETHER: usize = 16;
        let mut found = Vec::with_capacity(TOGETHER);
        for points in points.chunks(TOGETHER) {
            found.clear();
            found.extend(points.iter().map(|point| self.find(point)));
            for found in &mut found {
                self.pass_by_another(found);
            }
            for (point, found) in points.iter().zip(&found) {
                for (id, policy) in self.of(found) {
                    each(point, found.instance, id, policy);
                }
            }
        }
    }

    /// Where the policies are that watch `point`.
    fn find(&self, point: &Point) -> Watching {
        let instance = Instance::named(&point.instance);
        let place = self
            .scope_of(point)
            .and_then(|scope| self.scopes.get(&scope));
        let (all, own) = place.map_or((0..0, 0..0), |place| {
            let part = place.parts + instance.place_among(place.part_count);
            let (begin, end) = (self.parts[part], self.parts[part + 1]);
            (place.start..place.own, begin as usize..end as usize)
        });
        Watching { instance, all, own }
    }

    /// Has the part begin behind its first policy if that is another instance's. To look at
    /// that one is what has the part in the cache from here on.
    fn pass_by_another(&self, found: &mut Watching) {
        let first = self.policies[found.own.clone()].first();
        let another = first.is_some_and(|first| first.instance != Some(found.instance));
        found.own.start += usize::from(another);
    }

    fn of(&self, found: &Watching) -> impl Iterator<Item = (PolicyId, &Policy)> + use<'_> {
        let instance = found.instance;
        let own = found.own.clone();
        let own = own.filter(move |&at| self.policies[at].instance == Some(instance));
        found.all.clone().chain(own).map(|at| {
            let id = PolicyId::try_from(at).expect("bounded");
            (id, &self.policies[at])
        })
    }

    fn scope_of(&self, point: &Point) -> Option<Scope> {
        let number = |name: &str| self.names.numbers.get(name).copied();
        Some(Scope {
            region: number(&point.region)?,
            product: number(&point.product)?,
            metric: number(&point.metric)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::{ChannelKind, Comparison, Level};
    use super::*;

    fn spec(metric: &str, instance: Option<&str>) -> PolicySpec {
        PolicySpec {
            region: "gz".into(),
            product: "cvm".into(),
            metric: metric.into(),
            instance: instance.map(Into::into),
            comparison: Comparison::Above,
            threshold: 90.0,
            periods: std::num::NonZeroU8::MIN,
            level: Level::Warning,
            channels: vec![ChannelKind::Memory],
            shield: Default::default(),
        }
    }

    fn point(metric: &str, instance: &str) -> Point {
        Point {
            region: "gz".into(),
            product: "cvm".into(),
            metric: metric.into(),
            instance: instance.into(),
            ..Point::default()
        }
    }

    #[test]
    fn a_point_is_watched_by_its_own_policies_and_those_for_all_instances() {
        let mut builder = StoreBuilder::default();
        for (metric, instance) in [
            ("cpu", Some("a")),
            ("cpu", None),
            ("mem", None),
            ("cpu", Some("b")),
            ("cpu", Some("a")),
        ] {
            builder.add(&spec(metric, instance));
        }
        let store = builder.finish();
        let count = |metric, instance| store.watching(&point(metric, instance)).count();
        assert_eq!(count("cpu", "a"), 3);
        assert_eq!(count("cpu", "b"), 2);
        assert_eq!(count("cpu", "c"), 1);
        assert_eq!(count("mem", "a"), 1);
        assert_eq!(count("disk", "a"), 0);
        let (id, policy) = store.watching(&point("mem", "x")).next().unwrap();
        assert_eq!(store.get(id), Some(policy));
        assert_eq!(store.name(policy.scope.metric), "mem");
    }

    #[test]
    fn an_instance_is_found_wherever_its_hash_lies() {
        let mut builder = StoreBuilder::default();
        builder.add(&spec("cpu", None));
        let instance = |n: usize| format!("instance-{n}");
        // Even ones, each as often as its number says.
        for n in (0..2_000).step_by(2) {
            for _ in 0..=n % 6 {
                builder.add(&spec("cpu", Some(&instance(n))));
            }
        }
        let store = builder.finish();
        for n in 0..2_000 {
            let found = store.watching(&point("cpu", &instance(n))).count();
            let own = if n % 2 == 0 { 1 + n % 6 } else { 0 };
            assert_eq!(found, 1 + own, "{n}");
        }
        // And so it is with many points at once.
        let points: Vec<_> = (0..2_000).map(|n| point("cpu", &instance(n))).collect();
        let one_by_one = points.iter().flat_map(|point| {
            let watching = store.watching(point);
            watching.map(|(id, _)| (point.instance.as_str(), id))
        });
        let mut together = Vec::new();
        store.watching_all(&points, |point, instance, id, policy| {
            assert_eq!(instance, Instance::named(&point.instance));
            assert_eq!(store.get(id), Some(policy));
            together.push((point.instance.as_str(), id));
        });
        assert_eq!(together, one_by_one.collect::<Vec<_>>());
    }
}
