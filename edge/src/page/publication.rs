//! The page of one publication. Required: the publication. Optional: product, seller, images, reviews, questions and
//! related ones, all at once.

use std::collections::BTreeSet;

use tonic::Status;
use vitrina_proto::publications::v1::{
    GetPublicationRequest, ListQuestionsRequest, ListRelatedRequest, Publication, QuestionList, RelatedList,
    SearchItem,
};
use vitrina_proto::storefront::v1::{Card, PublicationPage, PublicationPageRequest};

use super::cards::summary;
use super::part::Kind;
use super::{Missing, Pages};

const PUBLICATION: Kind =
    Kind { rpc: "vitrina.publications.v1.Publications/GetPublication", tag: "publication:" };
const QUESTIONS: Kind =
    Kind { rpc: "vitrina.publications.v1.Publications/ListQuestions", tag: "publication:" };
const RELATED: Kind = Kind { rpc: "vitrina.publications.v1.Publications/ListRelated", tag: "search" };

/// Questions shown before a visitor asks for more.
const QUESTIONS_SHOWN: u32 = 10;

/// Related publications shown.
const RELATED_SHOWN: u32 = 8;

pub(super) async fn page(pages: &Pages, request: PublicationPageRequest) -> Result<PublicationPage, Status> {
    let publication = publication(pages, &request.id).await?;
    let product_id = publication.product_id.clone();
    let only = |id: &String| BTreeSet::from([id.clone()]);
    let optional = pages.optional();
    let (products, seller, images, reviews, questions, related) = tokio::join!(
        pages.products(only(&product_id)),
        pages.seller(&optional, &publication.seller_id),
        pages.images(only(&product_id)),
        pages.reviews(&publication.seller_id),
        questions(pages, &publication.id),
        related_cards(pages, &publication.id),
    );

    let mut missing = Missing::default();
    let product = missing.optional(
        "product",
        products.and_then(|mut products| {
            products.remove(&product_id).ok_or_else(|| Status::not_found("the product is gone"))
        }),
    );
    let images = missing
        .optional("images", images)
        .and_then(|mut images| images.remove(&product_id))
        .unwrap_or_default();
    let related = match missing.optional("related", related) {
        Some((cards, parts)) => {
            missing.extend(&parts);
            cards
        }
        None => Vec::new(),
    };
    Ok(PublicationPage {
        product,
        images,
        seller: missing.optional("seller", seller),
        reviews: missing.optional("reviews", reviews).map(summary),
        questions: missing.optional("questions", questions),
        related,
        publication: Some(publication),
        degraded: missing.0,
    })
}

async fn publication(pages: &Pages, id: &str) -> Result<Publication, Status> {
    let scope = &pages.scope;
    let request = GetPublicationRequest { id: id.to_owned() };
    pages
        .part(PUBLICATION, id, &request, async || {
            let reply = scope
                .repeat(PUBLICATION.rpc, || {
                    let mut client = pages.clients.publications.clone();
                    let request = scope.request(request.clone());
                    async move { client.get_publication(request).await }
                })
                .await?;
            Ok(reply.into_inner())
        })
        .await
}

async fn questions(pages: &Pages, publication_id: &str) -> Result<QuestionList, Status> {
    let scope = pages.optional();
    let request = ListQuestionsRequest {
        publication_id: publication_id.to_owned(),
        limit: Some(QUESTIONS_SHOWN),
        cursor: None,
    };
    pages
        .part(QUESTIONS, publication_id, &request, async || {
            let reply = scope
                .repeat(QUESTIONS.rpc, || {
                    let mut client = pages.clients.publications.clone();
                    let request = scope.request(request.clone());
                    async move { client.list_questions(request).await }
                })
                .await?;
            Ok(reply.into_inner())
        })
        .await
}

/// Related publications as cards, with what their cards lack.
async fn related_cards(pages: &Pages, id: &str) -> Result<(Vec<Card>, Missing), Status> {
    let items = related(pages, id).await?;
    let mut missing = Missing::default();
    let cards = pages.cards(items, &mut missing).await;
    Ok((cards, missing))
}

async fn related(pages: &Pages, id: &str) -> Result<Vec<SearchItem>, Status> {
    let scope = pages.optional();
    let request = ListRelatedRequest { id: id.to_owned(), limit: Some(RELATED_SHOWN) };
    let related: RelatedList = pages
        .part(RELATED, id, &request, async || {
            let reply = scope
                .repeat(RELATED.rpc, || {
                    let mut client = pages.clients.publications.clone();
                    let request = scope.request(request.clone());
                    async move { client.list_related(request).await }
                })
                .await?;
            Ok(reply.into_inner())
        })
        .await?;
    Ok(related.items)
}
