//! JSON → mails, with the vendor's checks.

use serde_json::{Map, Value};

use super::{Fault, Mail};

/// Most personalizations and most recipients of one request (SendGrid's documentation, November 2026).
const RECIPIENTS_MAX: usize = 1_000;

/// Most bytes of custom arguments.
const CUSTOM_ARGS_BYTES_MAX: usize = 10_000;

/// A request that is right.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) mails: Vec<Mail>,
    /// `mail_settings.sandbox_mode`: nothing is sent.
    pub(super) is_rehearsal: bool,
}

/// Whether it looks like an e-mail address.
pub(crate) fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_clean = !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, ',' | '<' | '>'));
    is_clean && !local.is_empty() && !local.contains('@') && !domain.is_empty() && !domain.starts_with('.')
}

/// Checks a request; one mail for each personalization.
pub(super) fn parse(fields: &Value, message_id: &str, at_ms: u64) -> Result<Parsed, Fault> {
    let personalizations =
        fields.get("personalizations").and_then(Value::as_array).filter(|list| !list.is_empty());
    let Some(personalizations) = personalizations else {
        return Err(Fault::bad(
            "personalizations",
            "The personalizations field is required and must have at least one personalization.",
        ));
    };
    let from = address(fields.get("from"), "from.email")?;
    if let Some(reply_to) = fields.get("reply_to").filter(|value| !value.is_null()) {
        address(Some(reply_to), "reply_to.email")?;
    }
    let (text, html) = content(fields)?;
    let categories = fields.get("categories").and_then(Value::as_array).into_iter().flatten();
    let draft = Mail {
        message_id: message_id.to_owned(),
        at_ms,
        from,
        to: Vec::new(),
        subject: string(fields, "subject"),
        text,
        html,
        categories: categories.filter_map(Value::as_str).map(str::to_owned).collect(),
        custom_args: custom_args(fields)?,
    };
    let mails: Vec<Mail> = personalizations
        .iter()
        .enumerate()
        .map(|(index, one)| personalize(&draft, one, index, fields))
        .collect::<Result<_, _>>()?;
    if mails.iter().map(|mail| mail.to.len()).sum::<usize>() > RECIPIENTS_MAX {
        return Err(Fault::bad("personalizations", "There must be no more than 1000 recipients."));
    }
    let is_rehearsal = fields.pointer("/mail_settings/sandbox_mode/enable").and_then(Value::as_bool);
    Ok(Parsed { mails, is_rehearsal: is_rehearsal == Some(true) })
}

fn personalize(draft: &Mail, one: &Value, index: usize, fields: &Value) -> Result<Mail, Fault> {
    let place = format!("personalizations.{index}");
    let to = one.get("to").and_then(Value::as_array).filter(|list| !list.is_empty());
    let Some(to) = to else {
        return Err(Fault::bad(
            format!("{place}.to"),
            "The to array is required for all personalization objects, and must have at least one email object with a valid email address.",
        ));
    };
    let mut mail = draft.clone();
    for (number, recipient) in to.iter().enumerate() {
        mail.to.push(address(Some(recipient), &format!("{place}.to.{number}.email"))?);
    }
    let own_subject = string(one, "subject");
    if !own_subject.is_empty() {
        mail.subject = own_subject;
    }
    if mail.subject.is_empty() && string(fields, "template_id").is_empty() {
        return Err(Fault::bad(
            "subject",
            "The subject is required. You can get around this requirement if you use a template with a subject defined or if every personalization has a subject defined.",
        ));
    }
    mail.custom_args.extend(custom_args(one)?);
    Ok(mail)
}

/// Text and HTML of the content; text comes first.
fn content(fields: &Value) -> Result<(String, String), Fault> {
    let parts = fields.get("content").and_then(Value::as_array).filter(|parts| !parts.is_empty());
    let Some(parts) = parts else {
        if string(fields, "template_id").is_empty() {
            return Err(Fault::bad(
                "content",
                "Unless a valid template_id is provided, the content parameter is required. There must be at least one defined content block.",
            ));
        }
        return Ok((String::new(), String::new()));
    };
    let (mut text, mut html) = (String::new(), String::new());
    for (index, part) in parts.iter().enumerate() {
        let value = string(part, "value");
        if value.is_empty() {
            return Err(Fault::bad(
                format!("content.{index}.value"),
                "The content value must be a string at least one character in length.",
            ));
        }
        match string(part, "type").as_str() {
            "text/plain" if index > 0 => {
                return Err(Fault::bad(
                    "content",
                    "If present, text/plain and text/html may only be provided once, and text/plain must be first.",
                ));
            }
            "text/plain" => text = value,
            "text/html" => html = value,
            "" => return Err(Fault::bad(format!("content.{index}.type"), "The content type is required.")),
            _ => {}
        }
    }
    Ok((text, html))
}

fn custom_args(fields: &Value) -> Result<Map<String, Value>, Fault> {
    let args = match fields.get("custom_args") {
        None | Some(Value::Null) => return Ok(Map::new()),
        Some(Value::Object(args)) if args.values().all(Value::is_string) => args.clone(),
        Some(_) => return Err(Fault::bad("custom_args", "Each custom_arg must be a string.")),
    };
    if Value::Object(args.clone()).to_string().len() > CUSTOM_ARGS_BYTES_MAX {
        return Err(Fault::bad("custom_args", "Custom args must not be more than 10000 bytes."));
    }
    Ok(args)
}

fn address(value: Option<&Value>, field: &str) -> Result<String, Fault> {
    let email = value.and_then(|value| value.get("email")).and_then(Value::as_str).unwrap_or_default();
    if is_address(email) {
        return Ok(email.to_owned());
    }
    Err(Fault::bad(field, format!("Does not contain a valid address: {field}.")))
}

fn string(fields: &Value, name: &str) -> String {
    fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
