//! An answer from outside against the request that it answers: what it means, or why it cannot be. Pure.

use agents::card::Card;
use agents::dialect::Decision;
use schema::control::{Answer, Choice, Refusal};
use schema::event::Body;
use schema::outcome::ErrorCode;
use schema::request::Question;

use crate::ask::Reply;

/// What the answer means for a request that is open.
pub(crate) fn understand(asked: &Body, answer: &Answer, card: &Card) -> Result<Reply, Refusal> {
    match asked {
        Body::QuestionRequested(question) => to_question(&question.questions, answer),
        Body::PermissionRequested(_)
        | Body::SessionStarted(_)
        | Body::SessionEnded(_)
        | Body::TurnStarted(_)
        | Body::TurnEnded(_)
        | Body::ItemStarted(_)
        | Body::ItemDelta(_)
        | Body::ItemCompleted(_)
        | Body::PermissionResolved(_)
        | Body::QuestionResolved(_)
        | Body::Error(_)
        | Body::AgentUnparsed(_) => to_permission(answer, card),
    }
}

pub(crate) fn refusal(code: ErrorCode, message: impl Into<String>) -> Refusal {
    Refusal { code, message: message.into() }
}

fn bad(message: impl Into<String>) -> Refusal {
    refusal(ErrorCode::BadInput, message)
}

fn to_permission(answer: &Answer, card: &Card) -> Result<Reply, Refusal> {
    if answer.answers.is_some() || answer.text.is_some() || !answer.options.is_empty() {
        return Err(bad("failed to answer: this is a permission; accept or reject it"));
    }
    if answer.input.is_some() && !card.can.edit_input {
        let message = format!("failed to edit the input: {} does not take an edited one; reject it instead", card.name);
        return Err(refusal(ErrorCode::Usage, message));
    }
    let input = answer.input.clone();
    Ok(Reply::Decide(match (answer.decision, &answer.message) {
        (Some(Choice::Reject), _) if input.is_some() => {
            return Err(bad("failed to answer: what is rejected has no input"));
        }
        (Some(Choice::Reject), message) => Decision::Reject { message: message.clone(), stop: false },
        (_, Some(_)) => return Err(bad("failed to answer: a message goes with a rejection")),
        (Some(Choice::AcceptForSession), None) if input.is_some() => {
            return Err(bad("failed to answer: an edited input is accepted once, not for the session"));
        }
        (Some(Choice::AcceptForSession), None) => Decision::AcceptForSession,
        (Some(Choice::Accept), None) => Decision::Accept { input },
        (None, None) if input.is_some() => Decision::Accept { input },
        (None, None) => return Err(bad("failed to answer: it neither accepts nor rejects")),
    }))
}

fn to_question(questions: &[Question], answer: &Answer) -> Result<Reply, Refusal> {
    match answer.decision {
        Some(Choice::Reject) => return Ok(Reply::Refuse),
        Some(Choice::Accept | Choice::AcceptForSession) => {
            return Err(bad("failed to answer: this is a question; choose an option, give a text, or reject it"));
        }
        None => {}
    }
    let given: Vec<Vec<String>> = match (&answer.answers, &answer.text, answer.options.as_slice()) {
        (Some(answers), None, []) => {
            if let Some(unknown) = answers.keys().find(|id| questions.iter().all(|question| question.id != **id)) {
                let ids: Vec<&str> = questions.iter().map(|question| question.id.as_str()).collect();
                return Err(bad(format!(
                    "failed to answer: there is no question `{unknown}`; the questions are {}",
                    ids.join(", ")
                )));
            }
            questions.iter().map(|question| answers.get(&question.id).cloned().unwrap_or_default()).collect()
        }
        (None, Some(text), []) => vec![vec![text.clone()]],
        (None, None, options @ [_, ..]) => vec![options.to_vec()],
        (None, None, []) => return Err(bad("failed to answer: there is no option, text or answers in it")),
        _ => return Err(bad("failed to answer: give options, a text or answers, not several of them")),
    };
    if given.len() != questions.len() {
        return Err(bad(format!(
            "failed to answer: {} questions were asked; give an answer to each with answers",
            questions.len()
        )));
    }
    let chosen = questions.iter().zip(given).map(|(question, texts)| choose(question, texts));
    Ok(Reply::Answer(chosen.collect::<Result<_, _>>()?))
}

/// The labels that were meant; a text of one's own only where the question takes one.
fn choose(question: &Question, texts: Vec<String>) -> Result<Vec<String>, Refusal> {
    let labels: Vec<&str> = question.options.iter().map(|option| option.label.as_str()).collect();
    if texts.is_empty() {
        return Err(bad(format!("failed to answer `{}`: nothing was chosen", question.prompt)));
    }
    if texts.len() > 1 && !question.multi_select {
        return Err(bad(format!("failed to answer `{}`: it takes one answer, not {}", question.prompt, texts.len())));
    }
    texts
        .into_iter()
        .map(|text| {
            let label = labels.iter().find(|label| label.eq_ignore_ascii_case(&text));
            match label {
                Some(label) => Ok((*label).to_owned()),
                None if (question.custom || labels.is_empty()) && !text.is_empty() => Ok(text),
                None => Err(bad(format!(
                    "failed to answer `{}`: `{text}` is none of its options: {}",
                    question.prompt,
                    labels.join(", ")
                ))),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::request::QuestionOption;

    fn question(custom: bool, multi_select: bool) -> Question {
        let option = |label: &str| QuestionOption { label: label.into(), description: None };
        Question {
            id: "q1".into(),
            header: None,
            prompt: "Which?".into(),
            options: vec![option("Red"), option("Blue")],
            multi_select,
            custom,
            secret: false,
        }
    }

    fn choose_of(questions: &[Question], answer: Answer) -> Result<Vec<Vec<String>>, String> {
        match to_question(questions, &answer) {
            Ok(Reply::Answer(given)) => Ok(given),
            Ok(Reply::Decide(_) | Reply::Refuse) => panic!("no answer"),
            Err(refusal) => Err(refusal.message),
        }
    }

    #[test]
    fn labels_texts_and_what_is_neither() {
        let options = |labels: &[&str]| Answer {
            options: labels.iter().map(|label| (*label).to_owned()).collect(),
            ..Answer::default()
        };
        let one = [question(false, false)];
        assert_eq!(choose_of(&one, options(&["blue"])).unwrap(), [["Blue"]]);
        assert!(choose_of(&one, options(&["Green"])).unwrap_err().contains("Red, Blue"));
        assert!(choose_of(&one, options(&["Red", "Blue"])).unwrap_err().contains("one answer"));
        assert_eq!(choose_of(&[question(false, true)], options(&["Red", "Blue"])).unwrap(), [["Red", "Blue"]]);
        let text = Answer { text: Some("the second one".into()), ..Answer::default() };
        assert_eq!(choose_of(&[question(true, false)], text.clone()).unwrap(), [["the second one"]]);
        assert!(choose_of(&one, text).is_err());
        assert!(choose_of(&[question(true, false), question(true, false)], options(&["Red"])).is_err());
        let answers = [("q9".to_owned(), vec!["Red".to_owned()])].into();
        let wrong = Answer { answers: Some(answers), ..Answer::default() };
        assert!(choose_of(&one, wrong).unwrap_err().contains("`q9`"));
        assert!(choose_of(&one, Answer::default()).is_err());
    }

    #[test]
    fn what_an_agent_cannot_is_refused() {
        let mock = agents::registry::find("mock").expect("the mock is always there").card();
        let codex = agents::registry::find("codex").expect("codex is always there").card();
        let edited = Answer { input: Some(serde_json::json!({"command": "ls"})), ..Answer::default() };
        assert!(matches!(to_permission(&edited, mock), Ok(Reply::Decide(Decision::Accept { input: Some(_) }))));
        assert_eq!(to_permission(&edited, codex).unwrap_err().code, ErrorCode::Usage);
        assert!(to_permission(&Answer::default(), mock).is_err());
    }
}
