//! What is found, how it is counted and how pages follow each other.

use tempfile::TempDir;

use super::*;

/// The least that the library takes.
const MEMORY_BYTES: usize = 15_000_000;

fn entry(n: u64, title: &str) -> Entry {
    Entry {
        id: PublicationId::at(n),
        title: title.to_owned(),
        description: String::new(),
        tags: Vec::new(),
        brand: ["Acme", "Ñandú"][n as usize % 2].to_owned(),
        category: ["home/light", "home/garden", "sport"][n as usize % 3].to_owned(),
        condition: 1 + n % 2,
        seller: "usr_1".to_owned(),
        price_minor: n * 100_000,
        offer_minor: n * 50_000,
        offer_from_ms: 1000,
        offer_until_ms: if n.is_multiple_of(5) { 2000 } else { 0 },
        available: n % 4,
        created_at_ms: n,
        wishes: n % 7,
    }
}

fn filled(entries: &[Entry]) -> (Search, TempDir) {
    let dir = TempDir::new().unwrap();
    let search = Search::create(&dir.path().join("index"), "mine", MEMORY_BYTES).unwrap();
    put(&search, entries);
    (search, dir)
}

fn put(search: &Search, entries: &[Entry]) {
    let changes: Vec<_> = entries.iter().map(|entry| (entry.id, Some(entry.clone()))).collect();
    search.apply(&changes).unwrap();
}

fn words(words: &str) -> Wanted {
    Wanted { words: words.to_owned(), sort: Sort::Relevance, limit: 10, now_ms: 1500, ..Wanted::default() }
}

#[test]
fn words_are_met_through_stems_accents_case_and_typing_errors() {
    let entries = [entry(1, "Canción de lámparas"), entry(2, "Running shoes"), entry(3, "Televisor grande")];
    let (search, _dir) = filled(&entries);
    for (typed, n) in [
        ("CANCIONES", 0),
        ("lampara", 0),
        ("shoe", 1),
        ("runs shoes", 1),
        ("telvisor", 2),
        ("televizores", 2),
    ] {
        let (found, _) = search.find(&words(typed)).unwrap();
        assert_eq!(found.ids(), [entries[n].id], "{typed}");
    }
    assert_eq!(search.find(&words("bicicleta")).unwrap().0.total, 0);
    assert_eq!(search.find(&words("?!")).unwrap().0.total, 0);
}

#[test]
fn facets_count_what_a_plain_count_counts() {
    let entries: Vec<_> = (0..300).map(|n| entry(n, "Lamp")).collect();
    let (search, _dir) = filled(&entries);
    let wanted = Wanted { price_min: Some(400_000), category: Some("Home".to_owned()), ..words("lamps") };
    let (found, _) = search.find(&wanted).unwrap();
    let price = |e: &Entry| if e.offer_until_ms > 1500 { e.offer_minor } else { e.price_minor };
    let plain: Vec<_> =
        entries.iter().filter(|e| price(e) >= 400_000 && e.category.starts_with("home")).collect();
    assert_eq!(found.total as usize, plain.len());
    for (brand, count) in &found.brands {
        assert_eq!(*count as usize, plain.iter().filter(|e| e.brand == *brand).count(), "{brand}");
    }
    for range in &found.ranges {
        let is_in = |e: &&&Entry| price(e) >= range.from && range.to.is_none_or(|to| price(e) < to);
        assert_eq!(range.count as usize, plain.iter().filter(is_in).count(), "{range:?}");
    }
    assert_eq!(found.categories.len(), 2);
    assert_eq!(found.conditions.iter().map(|(_, count)| count).sum::<u32>(), found.total);
}

#[test]
fn pages_show_what_stays_exactly_once_while_data_changes() {
    let entries: Vec<_> = (0..50).map(|n| entry(n, "Lamp")).collect();
    let (search, _dir) = filled(&entries);
    let mut wanted = Wanted { sort: Sort::PriceAsc, words: String::new(), limit: 7, ..words("") };
    let mut seen = Vec::new();
    for round in 0.. {
        let found = search.find(&wanted).unwrap().0;
        seen.extend(found.ids());
        wanted.after = found.page.last().copied();
        if !found.has_more {
            break;
        }
        put(&search, &[entry(1000 + round, "Lamp"), Entry { price_minor: 0, ..entry(2000 + round, "Lamp") }]);
        search.apply(&[(seen[0], None)]).unwrap();
    }
    for entry in &entries {
        assert_eq!(seen.iter().filter(|id| **id == entry.id).count(), 1, "{}", entry.id);
    }
}

/// How many are found in the index of a directory; `None` when it is refused.
fn reopened(path: &Path, name: &str) -> Option<u32> {
    let search = Search::open(path, name, MEMORY_BYTES).unwrap()?;
    Some(search.find(&words("lamp")).unwrap().0.total)
}

#[test]
fn an_index_of_another_store_or_shape_is_refused() {
    let (search, dir) = filled(&[entry(1, "Lamp")]);
    drop(search);
    let path = dir.path().join("index");
    assert_eq!(reopened(&path, "mine"), Some(1));
    assert_eq!(reopened(&path, "other"), None);
    assert_eq!(reopened(&dir.path().join("nowhere"), "mine"), None);
    fs::write(path.join(NAME_FILE), "0 mine").unwrap();
    assert_eq!(reopened(&path, "mine"), None);
}

#[test]
fn an_index_in_use_is_neither_opened_nor_thrown_away() {
    let (search, dir) = filled(&[entry(1, "Lamp")]);
    assert!(Search::open(&dir.path().join("index"), "mine", MEMORY_BYTES).is_err());
    assert_eq!(search.find(&words("lamp")).unwrap().0.total, 1);
}

#[test]
fn a_flipped_bit_is_detected_or_harmless() {
    let entries: Vec<_> = (0..20).map(|n| entry(n, "Lamp")).collect();
    let (search, dir) = filled(&entries);
    search.apply(&[(entries[7].id, None), (entries[8].id, Some(entries[8].clone()))]).unwrap();
    drop(search);
    let path = dir.path().join("index");
    let files: Vec<_> = fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 8, "{files:?}");
    for file in files.iter().filter(|file| fs::metadata(file).unwrap().len() > 0) {
        let whole = fs::read(file).unwrap();
        for at in [0, whole.len() / 3, whole.len() / 2, whole.len() * 2 / 3, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(file, damaged).unwrap();
            let found = reopened(&path, "mine");
            assert!(found.is_none_or(|total| total == 19), "{found:?} {} {at}", file.display());
        }
        fs::write(file, &whole[..whole.len() / 2]).unwrap();
        let found = reopened(&path, "mine");
        assert!(found.is_none_or(|total| total == 19), "{found:?} {} cut", file.display());
        fs::remove_file(file).unwrap();
        let found = reopened(&path, "mine");
        assert!(found.is_none_or(|total| total == 19), "{found:?} {} gone", file.display());
        fs::write(file, &whole).unwrap();
    }
    assert_eq!(reopened(&path, "mine"), Some(19));
}
