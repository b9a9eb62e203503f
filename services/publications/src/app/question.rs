//! AskQuestion, AnswerQuestion, DeleteQuestion and ListQuestions.

use vitrina_chassis::{Answer, Call, Decision, page, unit};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::publications::v1 as pb;
use vitrina_storage::{Commit, Row};

use super::{App, publication_id};
use crate::error::Error;
use crate::model::{Question, QuestionId};
use crate::{events, store, wire};

const RPC_ASK: &str = "vitrina.publications.v1.Publications/AskQuestion";
const RPC_ANSWER: &str = "vitrina.publications.v1.Publications/AnswerQuestion";
const RPC_DELETE: &str = "vitrina.publications.v1.Publications/DeleteQuestion";

impl App {
    /// Asks the seller.
    pub(crate) async fn ask_question(
        &self,
        call: Call<pb::AskQuestionRequest>,
    ) -> Result<Answer<pb::Question>, Error> {
        let asker = call.caller.require_user()?;
        wire::check_text(&call.request.text)?;
        let id = QuestionId::at(call.now_ms);
        self.visible(&call, &call.request.publication_id)?.value.check_asker(asker)?;
        // Who has just registered may be unknown here for some milliseconds; who stays unknown asks without a name.
        self.waits.until(|| store::username(&self.store, asker)).await?;
        unit(&self.store, &call, RPC_ASK, || {
            let publication = self.visible(&call, &call.request.publication_id)?.value;
            publication.check_asker(asker)?;
            let question = Question {
                id,
                publication: publication.id,
                seller: publication.seller,
                asker,
                username: store::username(&self.store, asker)?.unwrap_or_default(),
                text: call.request.text.clone(),
                created_at_ms: call.now_ms,
                answer: None,
            };
            let mut commit = Commit::new();
            store::ask(&mut commit, &question);
            let reply = wire::question(&question, 1);
            commit.emit(events::question("question.asked", &reply, question.seller));
            Ok(Decision::new(commit, tagged(Answer::new(reply).version(1), &question)))
        })
        .await
    }

    /// Answers a question about a publication of the caller, once; to others there is nothing to answer.
    pub(crate) async fn answer_question(
        &self,
        call: Call<pb::AnswerQuestionRequest>,
    ) -> Result<Answer<pb::Question>, Error> {
        let seller = call.caller.require_seller()?;
        wire::check_text(&call.request.text)?;
        unit(&self.store, &call, RPC_ANSWER, || {
            let before = self.question(&call.request.id)?;
            if before.value.seller != seller {
                return Err(Error::QuestionUnknown);
            }
            call.check_version(before.version)?;
            let after = before.value.answered(&call.request.text, call.now_ms)?;
            let mut commit = Commit::new();
            store::answer(&mut commit, &before, &after);
            let version = before.version + 1;
            let reply = wire::question(&after, version);
            commit.emit(events::question("question.answered", &reply, after.seller));
            Ok(Decision::new(commit, tagged(Answer::new(reply).version(version), &after)))
        })
        .await
    }

    /// Removes a question: its asker while it is not answered, an admin always.
    pub(crate) async fn delete_question(
        &self,
        call: Call<pb::DeleteQuestionRequest>,
    ) -> Result<Answer<Empty>, Error> {
        let user = call.caller.require_user()?;
        unit(&self.store, &call, RPC_DELETE, || {
            let before = self.question(&call.request.id)?;
            let question = &before.value;
            if !call.caller.is_admin() {
                if question.asker != user {
                    return Err(Error::QuestionUnknown);
                }
                if question.answer.is_some() {
                    return Err(Error::AlreadyAnswered);
                }
            }
            call.check_version(before.version)?;
            let mut commit = Commit::new();
            store::remove_question(&mut commit, &before);
            let gone = wire::question(question, before.version + 1);
            commit.emit(events::question("question.deleted", &gone, question.seller));
            Ok(Decision::new(commit, tagged(Answer::new(Empty {}), question)))
        })
        .await
    }

    /// The questions of a publication, newest first.
    pub(crate) fn list_questions(
        &self,
        call: &Call<pb::ListQuestionsRequest>,
    ) -> Result<Answer<pb::QuestionList>, Error> {
        self.visible(call, &call.request.publication_id)?;
        let id = publication_id(&call.request.publication_id)?;
        let limit = wire::limit(call.request.limit, page::LIMIT_DEFAULT, page::LIMIT_MAX)?;
        let after = page::after::<QuestionId>(call.request.cursor())?;
        let rows = store::questions(&self.store, id, after, limit + 1)?;
        let (rows, next_cursor) = page::cut(rows, limit, |row| &row.value.id);
        let items = rows.iter().map(|row| wire::question(&row.value, row.version)).collect();
        Ok(Answer::new(pb::QuestionList { items, next_cursor }))
    }

    fn question(&self, id: &str) -> Result<Row<Question>, Error> {
        let id = id.parse().map_err(|_| Error::QuestionUnknown)?;
        store::question(&self.store, id)?.ok_or(Error::QuestionUnknown)
    }
}

fn tagged<T>(answer: Answer<T>, question: &Question) -> Answer<T> {
    answer.changed(format!("publication:{}", question.publication))
}
