//! One pass over what matches: filters by numbers, counts, and the page.
//!
//! What it costs and whether it is on offer depends on the time of asking, so both are computed here and not indexed.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{ColumnValues, StrColumn};
use tantivy::{DocId, Score, SegmentReader};

use crate::model::PublicationId;
use crate::search::schema::fast;
use crate::search::{Position, Sort, Wanted};

/// Price ranges begin at 0, 1, 2, 5, 10, 20, 50 … and end with the greatest number there is.
const STEPS: usize = 59;
/// Price ranges that are told: as many as a page shows without scrolling.
const RANGES_MAX: usize = 8;
/// Words by which a title must be longer to count half: a title is long before it says less.
const SHORT_TITLE: f32 = 8.0;
/// Values of a facet that are told.
const VALUES_MAX: usize = 20;

/// A price range with how many are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// Inclusive.
    pub(crate) from: u64,
    /// Exclusive; none: no end.
    pub(crate) to: Option<u64>,
    pub(crate) count: u32,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) total: u32,
    /// The page, first first.
    pub(crate) page: Vec<Position>,
    /// Whether more follows.
    pub(crate) has_more: bool,
    /// Most frequent first.
    pub(crate) categories: Vec<(String, u32)>,
    pub(crate) brands: Vec<(String, u32)>,
    /// By number of the contract.
    pub(crate) conditions: Vec<(u64, u32)>,
    pub(crate) ranges: Vec<Range>,
}

/// The collector of a search.
pub(super) struct Gather {
    wanted: Wanted,
}

/// What one segment gives.
pub(super) struct Part {
    total: u32,
    best: BinaryHeap<Reverse<Position>>,
    categories: HashMap<String, u32>,
    brands: HashMap<String, u32>,
    conditions: HashMap<u64, u32>,
    prices: [u32; STEPS],
}

type Numbers = Arc<dyn ColumnValues<u64>>;

/// The collector in one segment.
pub(super) struct InSegment {
    wanted: Wanted,
    part: Part,
    id_high: Numbers,
    id_low: Numbers,
    condition: Numbers,
    price: Numbers,
    offer: Numbers,
    offer_from: Numbers,
    offer_until: Numbers,
    available: Numbers,
    created: Numbers,
    wishes: Numbers,
    title_words: Numbers,
    category: Counted,
    brand: Counted,
}

/// A column of names with how often each was met.
struct Counted {
    column: Option<StrColumn>,
    counts: Vec<u32>,
}

impl Found {
    /// The ids of the page.
    pub(crate) fn ids(&self) -> Vec<PublicationId> {
        self.page.iter().map(|at| PublicationId::from_bytes(at.id.to_be_bytes())).collect()
    }
}

impl Gather {
    pub(super) fn new(wanted: &Wanted) -> Gather {
        Gather { wanted: wanted.clone() }
    }
}

impl Collector for Gather {
    type Fruit = Found;
    type Child = InSegment;

    fn for_segment(&self, _: u32, segment: &SegmentReader) -> tantivy::Result<InSegment> {
        let fast = segment.fast_fields();
        let numbers = |name: &str| Ok::<_, tantivy::TantivyError>(fast.u64(name)?.first_or_default_col(0));
        Ok(InSegment {
            wanted: self.wanted.clone(),
            part: Part::default(),
            id_high: numbers(fast::ID_HIGH)?,
            id_low: numbers(fast::ID_LOW)?,
            condition: numbers(fast::CONDITION)?,
            price: numbers(fast::PRICE)?,
            offer: numbers(fast::OFFER)?,
            offer_from: numbers(fast::OFFER_FROM)?,
            offer_until: numbers(fast::OFFER_UNTIL)?,
            available: numbers(fast::AVAILABLE)?,
            created: numbers(fast::CREATED)?,
            wishes: numbers(fast::WISHES)?,
            title_words: numbers(fast::TITLE_WORDS)?,
            category: Counted::new(fast.str(fast::CATEGORY)?),
            brand: Counted::new(fast.str(fast::BRAND)?),
        })
    }

    fn requires_scoring(&self) -> bool {
        self.wanted.sort == Sort::Relevance
    }

    fn merge_fruits(&self, parts: Vec<tantivy::Result<Part>>) -> tantivy::Result<Found> {
        let mut all = Part::default();
        for part in parts {
            let part = part?;
            all.total += part.total;
            all.best.extend(part.best);
            add(&mut all.categories, part.categories);
            add(&mut all.brands, part.brands);
            add(&mut all.conditions, part.conditions);
            all.prices.iter_mut().zip(part.prices).for_each(|(sum, count)| *sum += count);
        }
        let mut page: Vec<Position> = all.best.into_iter().map(|Reverse(at)| at).collect();
        page.sort_unstable_by_key(|at| Reverse(*at));
        let has_more = page.len() > self.wanted.limit;
        page.truncate(self.wanted.limit);
        Ok(Found {
            total: all.total,
            page,
            has_more,
            categories: most(all.categories),
            brands: most(all.brands),
            conditions: most(all.conditions),
            ranges: ranges(&all.prices),
        })
    }
}

impl SegmentCollector for InSegment {
    type Fruit = tantivy::Result<Part>;

    fn collect(&mut self, doc: DocId, score: Score) {
        let wanted = &self.wanted;
        let now = wanted.now_ms;
        let is_on_offer = self.offer_from.get_val(doc) <= now && now < self.offer_until.get_val(doc);
        let price = if is_on_offer { self.offer.get_val(doc) } else { self.price.get_val(doc) };
        let condition = self.condition.get_val(doc);
        let is_in_stock = self.available.get_val(doc) > 0;
        let is_wanted = wanted.condition.is_none_or(|wanted| wanted == condition)
            && wanted.price_min.is_none_or(|min| price >= min)
            && wanted.price_max.is_none_or(|max| price <= max)
            && wanted.in_stock.is_none_or(|wanted| !wanted || is_in_stock)
            && wanted.on_offer.is_none_or(|wanted| !wanted || is_on_offer);
        if !is_wanted {
            return;
        }
        self.part.total += 1;
        self.category.count(doc);
        self.brand.count(doc);
        *self.part.conditions.entry(condition).or_default() += 1;
        self.part.prices[step(price)] += 1;
        let rank = match wanted.sort {
            // A short title with the words is more about them. The bits of a float that is not negative sort like the float.
            Sort::Relevance => {
                let length = SHORT_TITLE + self.title_words.get_val(doc) as f32;
                u64::from((score.max(0.0) / length).to_bits())
            }
            Sort::PriceAsc => u64::MAX - price,
            Sort::PriceDesc => price,
            Sort::Newest => self.created.get_val(doc),
            Sort::Wished => self.wishes.get_val(doc),
        };
        let id = (u128::from(self.id_high.get_val(doc)) << 64) | u128::from(self.id_low.get_val(doc));
        let at = Position { rank, id };
        if wanted.after.is_none_or(|after| at < after) {
            self.part.best.push(Reverse(at));
            // One more than the page tells whether another follows.
            if self.part.best.len() > wanted.limit + 1 {
                self.part.best.pop();
            }
        }
    }

    fn harvest(self) -> tantivy::Result<Part> {
        let mut part = self.part;
        part.categories = self.category.names()?;
        part.brands = self.brand.names()?;
        Ok(part)
    }
}

impl Default for Part {
    fn default() -> Part {
        Part {
            total: 0,
            best: BinaryHeap::new(),
            categories: HashMap::new(),
            brands: HashMap::new(),
            conditions: HashMap::new(),
            prices: [0; STEPS],
        }
    }
}

impl Counted {
    fn new(column: Option<StrColumn>) -> Counted {
        let terms = column.as_ref().map_or(0, |column| column.num_terms());
        Counted { column, counts: vec![0; terms] }
    }

    fn count(&mut self, doc: DocId) {
        if let Some(column) = &self.column
            && let Some(ord) = column.ords().first(doc)
            && let Some(count) = self.counts.get_mut(ord as usize)
        {
            *count += 1;
        }
    }

    fn names(&self) -> tantivy::Result<HashMap<String, u32>> {
        let mut names = HashMap::new();
        let Some(column) = &self.column else { return Ok(names) };
        for (ord, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let mut name = String::new();
            column.ord_to_str(ord as u64, &mut name)?;
            names.insert(name, *count);
        }
        Ok(names)
    }
}

fn add<K: std::hash::Hash + Eq>(sum: &mut HashMap<K, u32>, part: HashMap<K, u32>) {
    for (name, count) in part {
        *sum.entry(name).or_default() += count;
    }
}

/// The most frequent, first first; those of one count by name.
fn most<K: Ord>(counts: HashMap<K, u32>) -> Vec<(K, u32)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    counts.truncate(VALUES_MAX);
    counts
}

/// The step that a price is in.
fn step(price: u64) -> usize {
    let Some(power) = price.checked_ilog10() else { return 0 };
    let within = match price / 10_u64.pow(power) {
        0..2 => 0,
        2..5 => 1,
        _ => 2,
    };
    1 + 3 * power as usize + within
}

/// Where a step begins; none behind the last.
fn begin(step: usize) -> Option<u64> {
    let Some(step) = step.checked_sub(1) else { return Some(0) };
    10_u64.checked_pow(u32::try_from(step / 3).ok()?)?.checked_mul([1, 2, 5][step % 3])
}

/// The steps that hold something; neighbours with the least in them are joined until there are few enough.
fn ranges(counts: &[u32; STEPS]) -> Vec<Range> {
    let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let mut ranges: Vec<Range> = filled
        .filter_map(|(at, count)| Some(Range { from: begin(at)?, to: begin(at + 1), count: *count }))
        .collect();
    while ranges.len() > RANGES_MAX {
        let sums = ranges.windows(2).map(|pair| pair[0].count + pair[1].count).enumerate();
        let Some((least, _)) = sums.min_by_key(|(_, sum)| *sum) else { break };
        let upper = ranges.remove(least + 1);
        ranges[least] = Range { to: upper.to, count: ranges[least].count + upper.count, ..ranges[least] };
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_price_lies_in_its_step() {
        for price in [0, 1, 4, 5, 99, 100, 199, 200, 6_990_000, 10_u64.pow(19) - 1, u64::MAX] {
            let step = step(price);
            assert!(begin(step).is_some_and(|from| from <= price), "{price}");
            assert!(begin(step + 1).is_none_or(|to| price < to), "{price}");
        }
    }

    #[test]
    fn many_ranges_are_joined_and_lose_nothing() {
        let mut counts = [0; STEPS];
        counts[3..30].fill(2);
        let ranges = ranges(&counts);
        assert_eq!(ranges.len(), RANGES_MAX);
        assert_eq!(ranges.iter().map(|range| range.count).sum::<u32>(), 54);
        assert!(ranges.windows(2).all(|pair| pair[0].to.is_some_and(|to| to <= pair[1].from)));
    }
}
