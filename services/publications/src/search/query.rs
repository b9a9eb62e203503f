//! From words and filters to a query.

use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, FuzzyTermQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Index, Term};

use crate::error::Error;
use crate::model::PublicationId;
use crate::search::schema::Fields;
use crate::search::{Reading, Wanted};

/// Words of a query that count; each costs up to five look-ups.
const WORDS_MAX: usize = 16;
/// A word of the title tells more than one of the description.
const TITLE_SCORE: f32 = 3.0;
/// What a word with a typing error counts, against 1 and more for a right one.
const FUZZY_SCORE: f32 = 0.3;

type Clause = (Occur, Box<dyn Query>);

/// The query of a search: every word has to be met in some field.
///
/// What a word counts is the same in every publication. The usual weights by how rare a word is would change with each
/// publication that is added, and with them the order between two pages.
pub(super) fn build(
    index: &Index,
    fields: &Fields,
    wanted: &Wanted,
    reading: Reading,
) -> Result<Box<dyn Query>, Error> {
    let folded = tokens(index, "folded", &wanted.words)?;
    let es = tokens(index, "es", &wanted.words)?;
    let en = tokens(index, "en", &wanted.words)?;
    let mut clauses: Vec<Clause> = Vec::new();
    for ((word, es), en) in folded.iter().zip(&es).zip(&en) {
        let mut any = vec![
            scored(fields.title_es, es, TITLE_SCORE),
            scored(fields.title_en, en, TITLE_SCORE),
            scored(fields.all_es, es, 1.0),
            scored(fields.all_en, en, 1.0),
        ];
        if reading == Reading::Fuzzy {
            // The stem too: "televizores" is further from "televisor" than its stem.
            any.extend([(fields.words, word), (fields.title_es, es)].into_iter().filter_map(near));
        }
        clauses.push((Occur::Must, Box::new(BooleanQuery::new(any))));
    }
    if clauses.is_empty() {
        // Words that hold nothing to look for ("?!") meet nothing; no words at all meet everything.
        if !wanted.words.is_empty() {
            return Ok(Box::new(tantivy::query::EmptyQuery));
        }
        clauses.push((Occur::Must, Box::new(AllQuery)));
    }
    let filters = [
        (fields.within, wanted.category.as_deref().map(fold)),
        (fields.brand_folded, wanted.brand.as_deref().map(fold)),
        (fields.seller, wanted.seller.clone()),
    ];
    for (field, text) in filters {
        if let Some(text) = text {
            clauses.push((Occur::Must, Box::new(ConstScoreQuery::new(term(field, &text), 0.0))));
        }
    }
    Ok(Box::new(BooleanQuery::new(clauses)))
}

/// All words but the last as they are, the last as the beginning of one; `None` without words.
pub(super) fn prefix(index: &Index, fields: &Fields, typed: &str) -> Result<Option<Box<dyn Query>>, Error> {
    let words = tokens(index, "folded", typed)?;
    let Some((last, whole)) = words.split_last() else { return Ok(None) };
    let mut clauses: Vec<Clause> = whole.iter().map(|word| (Occur::Must, term(fields.words, word))).collect();
    let begun = FuzzyTermQuery::new_prefix(Term::from_field_text(fields.words, last), 0, true);
    clauses.push((Occur::Must, Box::new(begun)));
    Ok(Some(Box::new(BooleanQuery::new(clauses))))
}

/// Some word of the title or the same category, and another id.
pub(super) fn related(
    index: &Index,
    fields: &Fields,
    (title, category): (&str, &str),
    id: PublicationId,
) -> Result<Box<dyn Query>, Error> {
    let words = tokens(index, "es", title)?;
    let mut any: Vec<Clause> =
        words.iter().map(|word| (Occur::Should, term(fields.title_es, word))).collect();
    any.push((Occur::Should, term(fields.within, &fold(category))));
    Ok(Box::new(BooleanQuery::new(vec![
        (Occur::Must, Box::new(BooleanQuery::new(any))),
        (Occur::MustNot, term(fields.id, &id.to_string())),
    ])))
}

/// Text without case and accents, for comparing names.
pub(crate) fn fold(text: &str) -> String {
    let mut analyzer = tantivy::tokenizer::TextAnalyzer::builder(tantivy::tokenizer::RawTokenizer::default())
        .filter(tantivy::tokenizer::LowerCaser)
        .filter(tantivy::tokenizer::AsciiFoldingFilter)
        .build();
    let mut stream = analyzer.token_stream(text);
    stream.next().map_or_else(String::new, |token| token.text.clone())
}

fn tokens(index: &Index, analyzer: &str, text: &str) -> Result<Vec<String>, Error> {
    let mut analyzer = index.tokenizers().get(analyzer).ok_or_else(|| {
        tantivy::TantivyError::InternalError(format!("the analyser {analyzer} is not registered"))
    })?;
    let mut stream = analyzer.token_stream(text);
    let mut words = Vec::new();
    while words.len() < WORDS_MAX
        && let Some(token) = stream.next()
    {
        words.push(token.text.clone());
    }
    Ok(words)
}

/// A word with typing errors, when it is long enough to have some.
fn near((field, word): (Field, &String)) -> Option<Clause> {
    let distance = distance(word);
    let near = FuzzyTermQuery::new(Term::from_field_text(field, word), distance, true);
    let clause = ConstScoreQuery::new(Box::new(near), FUZZY_SCORE);
    (distance > 0).then(|| (Occur::Should, Box::new(clause) as Box<dyn Query>))
}

fn distance(word: &str) -> u8 {
    match word.chars().count() {
        0..4 => 0,
        4..8 => 1,
        _ => 2,
    }
}

fn term(field: Field, text: &str) -> Box<dyn Query> {
    Box::new(TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::WithFreqs))
}

fn scored(field: Field, text: &str, score: f32) -> Clause {
    (Occur::Should, Box::new(ConstScoreQuery::new(term(field, text), score)))
}
