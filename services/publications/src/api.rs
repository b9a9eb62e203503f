//! Which rpcs there are: each takes the call apart and leaves the rest to `app`.

use tonic::{Request, Response, Status, async_trait};
use vitrina_chassis::{Call, respond};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::publications::v1 as pb;
use vitrina_proto::publications::v1::publications_server::Publications;

use crate::app::App;

/// The gRPC service.
#[derive(Clone)]
pub(crate) struct Api(pub(crate) App);

impl Api {
    fn call<T>(&self, request: Request<T>) -> Call<T> {
        Call::from_request(request, &self.0.clock)
    }
}

#[async_trait]
impl Publications for Api {
    async fn search(&self, request: Request<pb::SearchRequest>) -> Result<Response<pb::SearchReply>, Status> {
        respond(self.0.search(self.call(request)).await)
    }

    async fn suggest(
        &self,
        request: Request<pb::SuggestRequest>,
    ) -> Result<Response<pb::Suggestions>, Status> {
        respond(self.0.suggest(self.call(request)).await)
    }

    async fn get_publication(
        &self,
        request: Request<pb::GetPublicationRequest>,
    ) -> Result<Response<pb::Publication>, Status> {
        respond(self.0.get_publication(&self.call(request)))
    }

    async fn list_related(
        &self,
        request: Request<pb::ListRelatedRequest>,
    ) -> Result<Response<pb::RelatedList>, Status> {
        respond(self.0.list_related(self.call(request)).await)
    }

    async fn create_publication(
        &self,
        request: Request<pb::CreatePublicationRequest>,
    ) -> Result<Response<pb::Publication>, Status> {
        respond(self.0.create_publication(self.call(request)).await)
    }

    async fn update_publication(
        &self,
        request: Request<pb::UpdatePublicationRequest>,
    ) -> Result<Response<pb::Publication>, Status> {
        respond(self.0.update_publication(self.call(request)).await)
    }

    async fn delete_publication(
        &self,
        request: Request<pb::DeletePublicationRequest>,
    ) -> Result<Response<Empty>, Status> {
        respond(self.0.delete_publication(self.call(request)).await)
    }

    async fn put_status(
        &self,
        request: Request<pb::PutStatusRequest>,
    ) -> Result<Response<pb::Publication>, Status> {
        respond(self.0.put_status(self.call(request)).await)
    }

    async fn list_my_publications(
        &self,
        request: Request<pb::ListMyPublicationsRequest>,
    ) -> Result<Response<pb::PublicationList>, Status> {
        respond(self.0.list_my_publications(&self.call(request)))
    }

    async fn list_questions(
        &self,
        request: Request<pb::ListQuestionsRequest>,
    ) -> Result<Response<pb::QuestionList>, Status> {
        respond(self.0.list_questions(&self.call(request)))
    }

    async fn ask_question(
        &self,
        request: Request<pb::AskQuestionRequest>,
    ) -> Result<Response<pb::Question>, Status> {
        respond(self.0.ask_question(self.call(request)).await)
    }

    async fn answer_question(
        &self,
        request: Request<pb::AnswerQuestionRequest>,
    ) -> Result<Response<pb::Question>, Status> {
        respond(self.0.answer_question(self.call(request)).await)
    }

    async fn delete_question(
        &self,
        request: Request<pb::DeleteQuestionRequest>,
    ) -> Result<Response<Empty>, Status> {
        respond(self.0.delete_question(self.call(request)).await)
    }

    async fn list_home(
        &self,
        request: Request<pb::ListHomeRequest>,
    ) -> Result<Response<pb::HomeLists>, Status> {
        respond(self.0.list_home(self.call(request)).await)
    }

    async fn batch_get_publications(
        &self,
        request: Request<pb::BatchGetPublicationsRequest>,
    ) -> Result<Response<pb::PublicationList>, Status> {
        respond(self.0.batch_get_publications(&self.call(request)))
    }

    async fn get_seller_figures(
        &self,
        request: Request<pb::GetSellerFiguresRequest>,
    ) -> Result<Response<pb::SellerFigures>, Status> {
        respond(self.0.get_seller_figures(&self.call(request)).await)
    }
}
