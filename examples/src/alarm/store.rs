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
        policies.sort_by_key(|policy| (policy.instance.is_some(), policy.scope, policy.instance));
        let of_all = policies.partition_point(|policy| policy.instance.is_none());
        let (all, own) = policies.split_at(of_all);
        let mut scopes = FxHashMap::<_, Place>::default();
        let mut start = 0;
        for scope in all.chunk_by(|a, b| a.scope == b.scope) {
            let place = scopes.entry(scope[0].scope).or_default();
            place.all = (start, start + scope.len() as u32);
            start += scope.len() as u32;
        }
        let mut parts = Vec::new();
        for scope in own.chunk_by(|a, b| a.scope == b.scope) {
            let place = scopes.entry(scope[0].scope).or_default();
            place.parts = parts.len();
            place.part_count = scope.len() / PART + 1;
            let mut left = scope.iter().peekable();
            for part in 0..place.part_count {
                parts.push(start);
                let is_in = |policy: &&Policy| {
                    let instance = policy.instance.expect("the others came first");
                    instance.place_among(place.part_count) == part
                };
                while left.next_if(is_in).is_some() {
                    start += 1;
                }
            }
        }
        parts.push(start);
        PolicyStore {
            names,
            policies,
            scopes,
            parts: parts.into(),
        }
    }
}

/// All policies: first those for all instances, which are few and looked at all the time,
/// and then the others; both sorted by scope.
#[derive(Debug)]
pub struct PolicyStore {
    names: Names,
    policies: Vec<Policy>,
    scopes: FxHashMap<Scope, Place>,
    /// Where each part of a scope's policies begins: it ends where the next one does.
    parts: Box<[PolicyId]>,
}

/// About how many policies a part has. An instance is a hash, which says what part of
/// its scope's policies it is in: to look there takes about two misses of the cache,
/// where halving would take one a step.
const PART: usize = 4;

/// Where the policies of a scope lie: from where to where those for all instances, and
/// those for one in so many parts.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    all: (u32, u32),
    parts: usize,
    part_count: usize,
}

/// Where the policies lie that watch a point.
#[derive(Clone, Debug)]
struct Watching {
    instance: Instance,
    all: Range<PolicyId>,
    /// The part in which those for its instance are.
    own: Range<PolicyId>,
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
        let (instance, place) = self.find(point);
        self.of(self.look_up(instance, place))
    }

    /// Lets `each` see every point with its instance and one of the policies that watch it.
    ///
    /// Each step is made for some points together, and the next one then for all of them: a
    /// step misses the cache, and the processor waits for many misses as long as for one, if
    /// it need not know what one brings to come to the next.
    pub fn watching_all<'a>(
        &'a self,
        points: &'a [Point],
        mut each: impl FnMut(&'a Point, Instance, PolicyId, &'a Policy),
    ) {
        const TOGETHER: usize = 32;
        let mut found = Vec::with_capacity(TOGETHER);
        let mut watching = Vec::with_capacity(TOGETHER);
        for points in points.chunks(TOGETHER) {
            found.clear();
            found.extend(points.iter().map(|point| self.find(point)));
            watching.clear();
            let looked_up = found.iter();
            watching.extend(looked_up.map(|&(instance, place)| self.look_up(instance, place)));
            watching.iter().for_each(|found| self.fetch(found));
            for (point, found) in points.iter().zip(&watching) {
                let instance = found.instance;
                for (id, policy) in self.of(found.clone()) {
                    each(point, instance, id, policy);
                }
            }
        }
    }

    /// The instance and the scope of a point, if any policy is in that.
    fn find(&self, point: &Point) -> (Instance, Option<Place>) {
        let scope = self.scope_of(point);
        let place = scope.and_then(|scope| self.scopes.get(&scope).copied());
        (Instance::named(&point.instance), place)
    }

    fn look_up(&self, instance: Instance, place: Option<Place>) -> Watching {
        let place = place.unwrap_or_default();
        let own = match place.part_count {
            0 => 0..0,
            count => {
                let part = place.parts + instance.place_among(count);
                self.parts[part]..self.parts[part + 1]
            }
        };
        Watching {
            instance,
            all: place.all.0..place.all.1,
            own,
        }
    }

    /// Has a part in the cache from here on, which mostly is as long as what is looked at.
    fn fetch(&self, found: &Watching) {
        for at in [found.own.start, found.own.end.wrapping_sub(1)] {
            let policy = self.policies.get(at as usize);
            std::hint::black_box(policy.map(|policy| policy.instance));
        }
    }

    fn of(&self, found: Watching) -> impl Iterator<Item = (PolicyId, &Policy)> + use<'_> {
        let Watching { instance, all, own } = found;
        let numbered = |id: PolicyId| (id, &self.policies[id as usize]);
        let own = own.map(numbered);
        let own = own.filter(move |(_, policy)| policy.instance == Some(instance));
        all.map(numbered).chain(own)
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
