//! The forms of ARNs, by the service that stands in them. It is not always the prefix of an action:
//! `execute-api` and `apigateway` share resources, and `wafv2` has actions on those of others.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::DATA;
use super::glob::Glob;

/// The form of an ARN.
#[derive(Debug)]
pub(crate) struct ArnForm {
    /// The whole form, such as `arn:${Partition}:s3:::${BucketName}`.
    pub(crate) text: &'static str,
    /// The Region and the account, which are placeholders, literals, or empty.
    pub(crate) region: &'static str,
    pub(crate) account: &'static str,
    /// What follows the account.
    pub(crate) resource: &'static str,
    glob: Glob,
}

impl ArnForm {
    fn parse(text: &'static str) -> Option<Self> {
        let mut fields = text.splitn(6, ':').skip(3);
        let (region, account, resource) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self { text, region, account, resource, glob: Glob::template(resource) })
    }

    /// Returns `true` if what follows the account in a text of the element `Resource` may have this
    /// form.
    pub(crate) fn may_match(&self, resource: &Glob) -> bool {
        self.glob.overlaps(resource)
    }
}

#[derive(Default)]
struct Forms {
    texts: Vec<&'static str>,
    parsed: OnceLock<Vec<ArnForm>>,
}

/// Returns the forms of the ARNs with a service such as `s3`, or `None` if there is none.
pub(crate) fn arn_forms(service: &str) -> Option<&'static [ArnForm]> {
    static FORMS: OnceLock<HashMap<&str, Forms>> = OnceLock::new();
    let all = FORMS.get_or_init(|| {
        let mut all: HashMap<&str, Forms> = HashMap::new();
        let types = DATA.lines().filter(|line| line.starts_with('%'));
        for text in types.filter_map(|line| line.split('|').nth(1)).flat_map(|it| it.split(',')) {
            let service = text.split(':').nth(2).unwrap_or_default();
            let texts = &mut all.entry(service).or_default().texts;
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        all
    });
    let Forms { texts, parsed } = all.get(service)?;
    Some(parsed.get_or_init(|| texts.iter().filter_map(|text| ArnForm::parse(text)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_service_are_found() {
        let s3 = arn_forms("s3").unwrap();
        let bucket = s3.iter().find(|form| form.resource == "${BucketName}").unwrap();
        assert_eq!((bucket.region, bucket.account), ("", ""));
        assert_eq!(bucket.text, "arn:${Partition}:s3:::${BucketName}");
        assert!(bucket.may_match(&Glob::wildcards("shop*")));
        assert!(!bucket.may_match(&Glob::wildcards("shop/*")));
        // Servicecatalog's products are in an ARN of `catalog`.
        assert!(arn_forms("catalog").is_some());
        assert!(arn_forms("S3").is_none() && arn_forms("nothing").is_none());
    }
}
