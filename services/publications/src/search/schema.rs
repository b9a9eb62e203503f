//! The fields of the index and how text is taken apart.
//!
//! Text is indexed three times: stemmed for Spanish, stemmed for English, and only folded (for prefixes and typing errors).
//! Accents are folded before stemming, so that a query without them meets a text with them.

use tantivy::schema::{FAST, Field, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, TextAnalyzer,
};
use tantivy::{Index, TantivyDocument};

use crate::search::{Entry, fold};

/// Bytes of a word from which it is no word any more.
const WORD_BYTES_MAX: usize = 40;

/// Names of the fast fields that the collector reads.
pub(super) mod fast {
    pub(in crate::search) const ID_HIGH: &str = "id_high";
    pub(in crate::search) const ID_LOW: &str = "id_low";
    pub(in crate::search) const CATEGORY: &str = "category";
    pub(in crate::search) const BRAND: &str = "brand";
    pub(in crate::search) const CONDITION: &str = "condition";
    pub(in crate::search) const PRICE: &str = "price";
    pub(in crate::search) const OFFER: &str = "offer";
    pub(in crate::search) const OFFER_FROM: &str = "offer_from";
    pub(in crate::search) const OFFER_UNTIL: &str = "offer_until";
    pub(in crate::search) const AVAILABLE: &str = "available";
    pub(in crate::search) const CREATED: &str = "created";
    pub(in crate::search) const WISHES: &str = "wishes";
    pub(in crate::search) const TITLE_WORDS: &str = "title_words";
}

/// The fields.
pub(super) struct Fields {
    pub(super) id: Field,
    pub(super) title_es: Field,
    pub(super) title_en: Field,
    pub(super) all_es: Field,
    pub(super) all_en: Field,
    /// Title, brand and tags, folded only.
    pub(super) words: Field,
    /// The category and all above it.
    pub(super) within: Field,
    pub(super) brand_folded: Field,
    pub(super) seller: Field,
    category: Field,
    brand: Field,
    numbers: [Number; 11],
}

/// A fast field, and where its number comes from.
type Number = (Field, fn(&Entry) -> u64);

/// The schema and its fields.
pub(super) fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let text = |analyzer: &str| {
        let indexing = TextFieldIndexing::default()
            .set_tokenizer(analyzer)
            .set_index_option(IndexRecordOption::WithFreqs);
        TextOptions::default().set_indexing_options(indexing)
    };
    let facet = || TextOptions::default().set_fast("raw");
    let fields = Fields {
        id: builder.add_text_field("id", STRING),
        title_es: builder.add_text_field("title_es", text("es")),
        title_en: builder.add_text_field("title_en", text("en")),
        all_es: builder.add_text_field("all_es", text("es")),
        all_en: builder.add_text_field("all_en", text("en")),
        words: builder.add_text_field("words", text("folded")),
        within: builder.add_text_field("within", STRING),
        brand_folded: builder.add_text_field("brand_folded", STRING),
        seller: builder.add_text_field("seller", STRING),
        category: builder.add_text_field(fast::CATEGORY, facet()),
        brand: builder.add_text_field(fast::BRAND, facet()),
        numbers: [
            (builder.add_u64_field(fast::ID_HIGH, FAST), |entry| (id(entry) >> 64) as u64),
            (builder.add_u64_field(fast::ID_LOW, FAST), |entry| id(entry) as u64),
            (builder.add_u64_field(fast::CONDITION, FAST), |entry| entry.condition),
            (builder.add_u64_field(fast::PRICE, FAST), |entry| entry.price_minor),
            (builder.add_u64_field(fast::OFFER, FAST), |entry| entry.offer_minor),
            (builder.add_u64_field(fast::OFFER_FROM, FAST), |entry| entry.offer_from_ms),
            (builder.add_u64_field(fast::OFFER_UNTIL, FAST), |entry| entry.offer_until_ms),
            (builder.add_u64_field(fast::AVAILABLE, FAST), |entry| entry.available),
            (builder.add_u64_field(fast::CREATED, FAST), |entry| entry.created_at_ms),
            (builder.add_u64_field(fast::WISHES, FAST), |entry| entry.wishes),
            (builder.add_u64_field(fast::TITLE_WORDS, FAST), |entry| {
                entry.title.split_whitespace().count() as u64
            }),
        ],
    };
    (builder.build(), fields)
}

/// Makes the analysers known to an index.
pub(super) fn register(index: &Index) {
    let base = || {
        TextAnalyzer::builder(SimpleTokenizer::default())
            .filter(RemoveLongFilter::limit(WORD_BYTES_MAX))
            .filter(LowerCaser)
            .filter(AsciiFoldingFilter)
    };
    index.tokenizers().register("folded", base().build());
    index.tokenizers().register("es", base().filter(Stemmer::new(Language::Spanish)).build());
    index.tokenizers().register("en", base().filter(Stemmer::new(Language::English)).build());
}

/// The document of an entry.
pub(super) fn document(fields: &Fields, entry: &Entry) -> TantivyDocument {
    let mut document = TantivyDocument::default();
    let tags = entry.tags.join(" ");
    let words = format!("{} {} {tags}", entry.title, entry.brand);
    let all = format!("{words} {} {}", entry.category.replace('/', " "), entry.description);
    document.add_text(fields.id, entry.id.to_string());
    document.add_text(fields.title_es, &entry.title);
    document.add_text(fields.title_en, &entry.title);
    document.add_text(fields.all_es, &all);
    document.add_text(fields.all_en, &all);
    document.add_text(fields.words, &words);
    let ends = entry.category.match_indices('/').map(|(at, _)| at).chain([entry.category.len()]);
    for end in ends {
        document.add_text(fields.within, fold(&entry.category[..end]));
    }
    document.add_text(fields.category, &entry.category);
    if !entry.brand.is_empty() {
        document.add_text(fields.brand_folded, fold(&entry.brand));
        document.add_text(fields.brand, &entry.brand);
    }
    document.add_text(fields.seller, &entry.seller);
    for (field, number) in &fields.numbers {
        document.add_u64(*field, number(entry));
    }
    document
}

fn id(entry: &Entry) -> u128 {
    u128::from_be_bytes(entry.id.bytes())
}
