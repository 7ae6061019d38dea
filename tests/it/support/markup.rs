//! Checks that markup is well-formed, so that browsers agree on it.

/// Checks that tags are balanced, attributes are quoted, and nothing in the text starts a tag or an entity by mistake.
///
/// Returns the first mistake, with the text that follows it.
pub fn balance(markup: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = markup.strip_prefix("<!DOCTYPE html>").unwrap_or(markup);
    while let Some(at) = rest.find(['<', '>', '&']) {
        let (character, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        let here: String = rest[at..].chars().take(80).collect();
        match character {
            // Style sheets join selectors with `>`; elsewhere allot escapes it.
            b'>' if open.last() == Some(&"style") => rest = after,
            b'>' => return Err(format!("a `>` that ends no tag: {here}")),
            b'&' => {
                let (entity, left) =
                    after.split_once(';').ok_or_else(|| format!("an entity without an end: {here}"))?;
                let known =
                    ["amp", "lt", "gt", "quot", "apos", "nbsp"].contains(&entity) || entity.starts_with('#');
                if !known {
                    return Err(format!("an entity that XML does not know: {here}"));
                }
                rest = left;
            }
            _ => {
                let (tag, left) = split_tag(after).ok_or_else(|| format!("a tag without an end: {here}"))?;
                if let Some(name) = tag.strip_prefix('/') {
                    if open.pop() != Some(name) {
                        return Err(format!("a tag that closes no open one: {here}"));
                    }
                } else {
                    let name = tag.split([' ', '/', '\n']).next().unwrap_or_default();
                    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                        return Err(format!("a tag without a name: {here}"));
                    }
                    if !is_quoted(tag) {
                        return Err(format!("an attribute without quotes: {here}"));
                    }
                    if !tag.ends_with('/') {
                        open.push(name);
                    }
                }
                rest = left;
            }
        }
    }
    match open.last() {
        None => Ok(()),
        Some(tag) => Err(format!("<{tag}> is never closed")),
    }
}

/// Returns a tag without its brackets and what follows it; a `>` within quotes does not end it.
fn split_tag(after: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let end = after.find(|character: char| {
        quoted ^= character == '"';
        character == '>' && !quoted
    })?;
    Some((&after[..end], &after[end + 1..]))
}

/// Returns whether every attribute's value is in quotes.
fn is_quoted(tag: &str) -> bool {
    let parts: Vec<&str> = tag.split('"').collect();
    let (last, values) = parts.split_last().expect("a split has a part");
    // The parts are outside, inside, outside, ... of quotes. Each outside part before a value ends with `=`; the last part has no `=`.
    parts.len() % 2 == 1
        && !last.contains('=')
        && values.iter().step_by(2).all(|outside| outside.ends_with('=') && outside.matches('=').count() == 1)
}
