//! What Cursor adds to the protocol, as public clients of it agree; none of it was seen from the real program.

use schema::request::{Question, QuestionOption};
use serde_json::{Value, json};

use crate::acp::wire::{list, text};

/// The questions of `cursor/ask_question`.
pub(super) fn questions(params: &Value) -> Vec<Question> {
    list(params, "questions")
        .iter()
        .map(|question| Question {
            id: text(question, "id").unwrap_or_default().to_owned(),
            header: text(params, "title").map(str::to_owned),
            prompt: text(question, "prompt").unwrap_or_default().to_owned(),
            options: list(question, "options")
                .iter()
                .map(|option| QuestionOption {
                    label: text(option, "label").unwrap_or_default().to_owned(),
                    description: None,
                })
                .collect(),
            multi_select: question["allowMultiple"] == true,
            custom: false,
            secret: false,
        })
        .collect()
}

/// The outcome that carries answers: the ids of the options whose labels were chosen.
pub(super) fn answered(params: &Value, answers: &[Vec<String>]) -> Value {
    let answers: Vec<Value> = list(params, "questions")
        .iter()
        .zip(answers)
        .map(|(question, chosen)| {
            let of = |label: &String| list(question, "options").iter().find(|option| option["label"] == **label);
            let ids: Vec<&Value> = chosen.iter().filter_map(of).map(|option| &option["id"]).collect();
            json!({ "questionId": question["id"], "selectedOptionIds": ids })
        })
        .collect();
    json!({ "outcome": { "outcome": "answered", "answers": answers } })
}

/// An outcome that is one word.
pub(super) fn outcome(word: &str) -> Value {
    json!({ "outcome": { "outcome": word } })
}

/// The whole todo list after an update: a merge changes the entries it names and adds the others.
pub(super) fn todos(before: &[Value], params: &Value) -> Vec<Value> {
    let entry = |todo: &Value| {
        let status = match text(todo, "status") {
            Some("completed") => "completed",
            Some("in_progress" | "inProgress") => "in_progress",
            Some(_) | None => "pending",
        };
        let content = todo["content"].as_str().unwrap_or_default();
        match text(todo, "id") {
            Some(id) => json!({ "id": id, "content": content, "status": status }),
            None => json!({ "content": content, "status": status }),
        }
    };
    let mut all = if params["merge"] == true { before.to_vec() } else { Vec::new() };
    for todo in list(params, "todos") {
        match all.iter_mut().find(|known| known["id"] == todo["id"] && todo["id"].is_string()) {
            Some(known) => {
                let new = entry(todo);
                known["status"] = new["status"].clone();
                if todo["content"].is_string() {
                    known["content"] = new["content"].clone();
                }
            }
            None => all.push(entry(todo)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_changes_what_it_names() {
        let first = todos(&[], &json!({"todos": [{"id": "1", "content": "a", "status": "pending"}]}));
        let second = json!({"merge": true, "todos": [{"id": "1", "status": "completed"}, {"id": "2", "content": "b", "status": "in_progress"}]});
        assert_eq!(
            todos(&first, &second),
            [
                json!({"id": "1", "content": "a", "status": "completed"}),
                json!({"id": "2", "content": "b", "status": "in_progress"})
            ]
        );
    }

    #[test]
    fn an_answer_names_the_options() {
        let params =
            json!({"questions": [{"id": "q", "options": [{"id": "r", "label": "Red"}, {"id": "b", "label": "Blue"}]}]});
        let said = answered(&params, &[vec!["Blue".to_owned()]]);
        assert_eq!(said["outcome"]["answers"], json!([{"questionId": "q", "selectedOptionIds": ["b"]}]));
    }
}
