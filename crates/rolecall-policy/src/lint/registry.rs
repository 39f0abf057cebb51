//! The table of all lints.
//!
//! Codes are stable. A lint that IAM Access Analyzer has as well bears its issue code.

use serde::Serialize;

use super::finding::Severity;

/// An entry of the table of lints.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Lint, Severity};
/// let lint = Lint::find("INVALID_ACTION").unwrap();
/// assert_eq!(lint.severity, Severity::Error);
/// assert!(Lint::ALL.iter().any(|lint| lint.code == "MISSING_VERSION"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Lint {
    /// The stable code, such as `INVALID_ACTION`.
    pub code: &'static str,
    /// The severity of a finding, unless the finding states another.
    pub severity: Severity,
    /// The fault that it reports, in a sentence.
    pub summary: &'static str,
    /// What to do about it, where that does not depend on the finding.
    #[serde(skip)]
    pub(super) fix: &'static str,
}

impl Lint {
    /// All lints, by severity, the parser's errors first.
    pub const ALL: &'static [Lint] = LINTS;

    /// Returns the lint with a code.
    pub fn find(code: &str) -> Option<&'static Lint> {
        Self::ALL.iter().find(|lint| lint.code == code)
    }
}

/// Declares the table, and a constant for each lint that a function of this module reports.
macro_rules! lints {
    (parser { $($parsed:ident: $parsed_summary:literal => $fix:literal,)* }
     $($severity:ident { $($code:ident: $summary:literal,)* })*) => {
        $($(
            pub(super) const $code: &Lint = &Lint {
                code: stringify!($code),
                severity: Severity::$severity,
                summary: $summary,
                fix: "",
            };
        )*)*

        const LINTS: &[Lint] = &[
            $(Lint {
                code: stringify!($parsed),
                severity: Severity::Error,
                summary: $parsed_summary,
                fix: $fix,
            },)*
            $($(*$code,)*)*
        ];
    };
}

lints! {
    // The parser refuses these, so they are errors whatever Access Analyzer calls them.
    parser {
        DATA_TYPE_MISMATCH:
            "An element has a JSON type that it cannot have." =>
            "write a value of the expected type",
        DUPLICATE_KEYS_WITH_DIFFERENT_CASE:
            "A condition operator or key stands in two spellings in one block." =>
            "merge the two",
        EMPTY_ARRAY_ACTION:
            "Action or NotAction is an empty list." =>
            "name an action, or remove the statement",
        EMPTY_ARRAY_PRINCIPAL:
            "A kind of principal has an empty list." =>
            "name a principal, or remove the kind",
        EMPTY_ARRAY_RESOURCE:
            "Resource or NotResource is an empty list." =>
            "name a resource, or remove the statement",
        EMPTY_OBJECT_PRINCIPAL:
            "Principal is an empty object." =>
            "name a principal",
        INVALID_ARN_PREFIX:
            "A resource is neither `*` nor a text that starts with `arn:`." =>
            "write an ARN such as arn:aws:s3:::shop/*",
        INVALID_CONDITION_KEY_FORMAT:
            "A condition key has no prefix and name." =>
            "write a key such as aws:PrincipalTag/team",
        INVALID_CONDITION_OPERATOR:
            "A condition operator does not exist." =>
            "use an operator such as StringEquals",
        INVALID_EFFECT:
            "Effect is neither Allow nor Deny." =>
            "write Allow or Deny",
        INVALID_FEDERATED_PRINCIPAL_SYNTAX_IN_ROLE_TRUST_POLICY:
            "A federated principal is neither a domain name nor the ARN of a provider." =>
            "write the ARN of the provider",
        INVALID_POLICY_ELEMENT:
            "The policy or a statement has an element that it cannot have." =>
            "remove the element",
        INVALID_PRINCIPAL:
            "A principal names no account, user, role or session." =>
            "write an account id or the ARN of a user or role",
        INVALID_PRINCIPAL_FORMAT:
            "Principal is neither `*` nor an object of kinds and values." =>
            "write an object such as {\"AWS\": \"111122223333\"}",
        INVALID_PRINCIPAL_KEY:
            "A kind of principal is none of AWS, CanonicalUser, Federated and Service." =>
            "use AWS, Federated, Service or CanonicalUser",
        INVALID_VERSION:
            "Version is neither 2012-10-17 nor 2008-10-17." =>
            "write 2012-10-17",
        JSON_SYNTAX_ERROR:
            "The document is not JSON, or repeats a key." =>
            "correct the JSON",
        MISSING_ACTION:
            "A statement has neither Action nor NotAction." =>
            "add Action",
        MISSING_ARN_FIELD:
            "An ARN has fewer than six fields." =>
            "write all six fields, arn:partition:service:region:account:resource",
        MISSING_EFFECT:
            "A statement has no Effect." =>
            "add Effect",
        MISSING_PRINCIPAL:
            "A statement of a trust or resource policy has no Principal." =>
            "add Principal",
        MISSING_RESOURCE:
            "A statement of a permission policy has neither Resource nor NotResource." =>
            "add Resource",
        MISSING_STATEMENT:
            "The policy has no statement." =>
            "add a statement",
        NULL_WITH_IF_EXISTS:
            "The operator Null has the suffix IfExists." =>
            "write Null",
        POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA:
            "An identity policy is longer than its quota allows." =>
            "split the policy",
        POLICY_SIZE_EXCEEDS_RCP_QUOTA:
            "A resource control policy is longer than its quota allows." =>
            "split the policy",
        POLICY_SIZE_EXCEEDS_RESOURCE_POLICY_QUOTA:
            "A resource policy is longer than any service allows." =>
            "shorten the policy",
        POLICY_SIZE_EXCEEDS_ROLE_TRUST_POLICY_QUOTA:
            "A trust policy is longer than its quota allows." =>
            "shorten the policy, or have the quota raised",
        POLICY_SIZE_EXCEEDS_SCP_QUOTA:
            "A service control policy is longer than its quota allows." =>
            "split the policy",
        POLICY_SIZE_EXCEEDS_SESSION_POLICY_QUOTA:
            "A session policy is longer than STS allows." =>
            "shorten the policy, or pass the ARNs of managed policies",
        RCP_SYNTAX_ERROR_PRINCIPAL:
            "The Principal of a resource control policy is not `*`." =>
            "write \"*\", and test aws:PrincipalArn in a condition",
        ROLE_TRUST_POLICY_SYNTAX_ERROR_RESOURCE:
            "A trust policy has Resource or NotResource." =>
            "remove the element: the resource is the role",
        SCP_SYNTAX_ERROR_PRINCIPAL:
            "A service control policy has a Principal." =>
            "remove it, and test aws:PrincipalArn in a condition",
        UNIQUE_SIDS_REQUIRED:
            "Two statements have the same Sid." =>
            "rename one of the statements",
        UNSUPPORTED_ELEMENT_COMBINATION:
            "A statement has an element and its negation, such as Action and NotAction." =>
            "split the statement in two",
        UNSUPPORTED_PRINCIPAL:
            "A policy of an identity has a Principal." =>
            "remove it: the policy is for the identity that it is attached to",
        UNSUPPORTED_SID:
            "A Sid contains characters other than letters and digits." =>
            "use letters and digits",
        UNSUPPORTED_WILDCARD_IN_PRINCIPAL:
            "A principal contains a wildcard and is not `*` alone." =>
            "name each principal",
        VARIABLE_UNSUPPORTED_IN_ELEMENT:
            "A policy variable stands in an element other than Resource and Condition." =>
            "use variables in Resource and Condition only",
    }
    Error {
        ARN_ACCOUNT_NOT_ALLOWED:
            "The ARN of a resource has an account, and this service's ARNs have none.",
        ARN_REGION_NOT_ALLOWED:
            "The ARN of a resource has a Region, and this service's ARNs have none.",
        CONDITION_KEY_NEVER_PRESENT:
            "A condition is on a key that no request for the actions carries.",
        CONDITION_KEY_OF_OTHER_PROVIDER:
            "A trust policy tests a claim of another identity provider than it trusts.",
        EMPTY_VARIABLE: "A policy variable has no name.",
        INVALID_ACTION: "An action, or each that a pattern stands for, does not exist.",
        INVALID_ARN_ACCOUNT: "The account in the ARN of a resource is not 12 digits.",
        INVALID_ARN_REGION: "The Region in the ARN of a resource does not have the form of one.",
        INVALID_ARN_RESOURCE: "An ARN has the form of none of its service's resource types.",
        INVALID_ARN_SERVICE_CASE: "The service in an ARN contains capital letters.",
        INVALID_CONDITION_DATA_TYPE: "The values of one condition have different JSON types.",
        INVALID_CONDITION_MULTIPLE_BOOLEAN: "A condition lists several Boolean values.",
        INVALID_GLOBAL_CONDITION_KEY: "A condition key starts with `aws:` and does not exist.",
        INVALID_KMS_KEY_VALUE: "A condition compares a KMS key with a text that is no ARN of one.",
        INVALID_PARTITION: "The partition of an ARN does not exist.",
        INVALID_REGION: "A condition compares a Region with a text that is no name of one.",
        INVALID_SERVICE: "The service of an ARN or of a condition key does not exist.",
        INVALID_SERVICE_CONDITION_KEY: "A service, or SAML, has no such condition key.",
        INVALID_SERVICE_IN_ACTION: "The service of an action does not exist.",
        INVALID_SERVICE_PRINCIPAL_FORMAT: "A service principal does not have the form of one.",
        INVALID_VARIABLE_FOR_OPERATOR:
            "A policy variable stands in a value of an operator for neither strings nor ARNs.",
        INVALID_VPCE_FORMAT:
            "aws:SourceVpce is compared with a text that is no id of a VPC endpoint.",
        INVALID_VPC_FORMAT: "aws:SourceVpc is compared with a text that is no id of a VPC.",
        MISMATCHED_ACTION_FOR_PRINCIPAL:
            "A principal of a trust policy cannot call the action that it is trusted for.",
        MISSING_ACTION_FOR_CONDITION_KEY:
            "A condition is on a key that requests carry only with an action that is not allowed.",
        MISSING_ACTION_FOR_ROLES_ANYWHERE_TRUST_POLICY:
            "IAM Roles Anywhere is trusted without all of the three actions that it needs.",
        MISSING_ARN_ACCOUNT:
            "The ARN of a resource has no account, and this service's ARNs have one.",
        MISSING_ARN_REGION:
            "The ARN of a resource has no Region, and this service's ARNs have one.",
        MISSING_BRACE_IN_VARIABLE: "A policy variable has no closing brace.",
        MISSING_QUALIFIER:
            "A key with several values is compared without ForAllValues or ForAnyValue.",
        MISSING_QUOTE_IN_VARIABLE:
            "The default value of a policy variable does not stand between single quotes.",
        MISSING_TAG_KEY_IN_CONDITION: "A condition key for tags ends without the key of a tag.",
        POD_IDENTITY_WITHOUT_TAG_SESSION:
            "EKS Pod Identity is trusted without sts:AssumeRole or without sts:TagSession.",
        PRIVATE_IP_ADDRESS: "aws:SourceIp is compared with private addresses alone.",
        PRIVATE_NOT_IP_ADDRESS: "aws:SourceIp must differ from private addresses alone.",
        ROLE_TRUST_POLICY_SYNTAX_ERROR_NOTPRINCIPAL: "A trust policy has NotPrincipal.",
        ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL:
            "The Principal of a trust policy is the text `*`.",
        TYPE_MISMATCH_IP_RANGE:
            "An operator for addresses has a value that is no address or range.",
        UNSUPPORTED_ACTION_FOR_CONDITION_KEY:
            "A condition key does not apply to some of the statement's actions.",
        UNSUPPORTED_ACTION_IN_POLICY:
            "A trust policy has an action that is not for assuming roles.",
        UNSUPPORTED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL:
            "A condition key is never in the requests of a service principal.",
        UNSUPPORTED_GLOBAL_CONDITION_KEY: "The condition key `aws:ARN` exists no longer.",
        UNSUPPORTED_SPACE_IN_VARIABLE: "The name of a policy variable contains a space.",
        VARIABLE_UNSUPPORTED_IN_VERSION:
            "A policy variable is plain text, since the policy's Version is not 2012-10-17.",
        VARIABLE_USAGE_TOO_PERMISSIVE:
            "A policy variable in the value of a sensitive condition key may match too much.",
        WILDCARD_IN_SERVICE_PREFIX: "The service prefix of an action contains a wildcard.",
        WILDCARD_USAGE_TOO_PERMISSIVE:
            "A wildcard in the value of a sensitive condition key may match too much.",
    }
    SecurityWarning {
        ALLOW_WITH_NOT_ACTION: "A statement allows all actions except some.",
        ALLOW_WITH_NOT_PRINCIPAL: "A statement allows everyone except some principals.",
        ALLOW_WITH_NOT_RESOURCE: "A statement allows access to all resources except some.",
        DENY_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE:
            "A Deny with NotAction depends on a tag key that some services do not support.",
        DENY_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE:
            "A Deny depends on a tag key that a service does not support: it is void there.",
        DYNAMODB_ATTRIBUTES_WITHOUT_SELECT:
            "dynamodb:Attributes is limited and dynamodb:Select is not.",
        EVERYTHING_EXCEPTED:
            "NotAction, NotResource or NotPrincipal excepts everything: the statement is void.",
        FORALLVALUES_WITH_SINGLE_VALUED_KEY: "ForAllValues stands before a key with one value.",
        FORANYVALUE_IN_DENY:
            "ForAnyValue in a Deny does not deny requests without an identifying key.",
        FORANYVALUE_WITH_AUDIENCE_CLAIM_TYPE:
            "ForAnyValue stands before the claim `aud`, which has one value.",
        FULL_ACCESS: "A statement allows all actions on all resources.",
        MFA_CONDITION_WITHOUT_EFFECT:
            "A condition on multi-factor authentication is met, or not met, without it.",
        MISSING_AUDIENCE_CONDITION:
            "An OIDC provider is trusted without a condition on the audience.",
        MISSING_CONDITION_KEY_FOR_OIDC_PRINCIPAL:
            "An OIDC provider is trusted without a condition on a claim of its tokens.",
        MISSING_GITHUB_REPO_CONDITION_KEY:
            "GitHub's OIDC provider is trusted without a condition on the repository.",
        MISSING_PAIRED_CONDITION_KEYS:
            "A condition is on a key that identifies only together with another.",
        MISSING_SUBJECT_CONDITION:
            "An OIDC provider is trusted without a condition on the subject.",
        PASS_ROLE_WITH_NOT_ACTION_AND_NOT_RESOURCE:
            "NotAction with NotResource allows iam:PassRole for too many roles.",
        PASS_ROLE_WITH_NOT_RESOURCE: "NotResource allows iam:PassRole for too many roles.",
        PASS_ROLE_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE:
            "A wildcard with NotResource allows iam:PassRole for too many roles.",
        PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE:
            "A wildcard allows iam:PassRole for all roles.",
        PASS_ROLE_WITH_STAR_IN_RESOURCE: "iam:PassRole is allowed for all roles.",
        PASS_ROLE_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION:
            "NotAction allows iam:PassRole for all roles.",
        RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL:
            "A service principal is allowed without a condition on the source that it acts for.",
        STRING_LIKE_OPERATOR_WITH_ARN_CONDITION_KEYS:
            "StringLike compares an ARN; its wildcards cross the fields of the ARN.",
        SUBJECT_WILDCARD_ACROSS_NAMESPACES:
            "A wildcard in the subject of a token matches several Kubernetes namespaces.",
        SUBJECT_WILDCARD_ACROSS_REPOSITORIES:
            "A wildcard in the subject of a token matches several repositories or projects.",
        SUBJECT_WILDCARD_MATCHES_ALL: "A wildcard in the subject of a token matches every subject.",
        THIRD_PARTY_WITHOUT_EXTERNAL_ID: "Another account is trusted without an external id.",
        UNTRUSTWORTHY_CONDITION_KEY: "A condition is on a key whose value the caller chooses.",
        WILDCARD_PRINCIPAL: "A statement allows everyone, without a condition on the caller.",
    }
    Warning {
        ACTION_NOT_FOR_RESOURCE: "An action is for no resource that the statement names.",
        ALLOW_IS_DENIED: "A Deny without conditions covers all that a statement allows.",
        BUCKET_ACTION_ON_OBJECTS: "An action on S3 buckets is allowed on the ARNs of objects only.",
        CREATE_SLR_WITH_NOT_ACTION_AND_NOT_RESOURCE:
            "NotAction with NotResource allows unintended service-linked roles to be created.",
        CREATE_SLR_WITH_NOT_RESOURCE:
            "NotResource allows unintended service-linked roles to be created.",
        CREATE_SLR_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE:
            "A wildcard with NotResource allows unintended service-linked roles to be created.",
        CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE:
            "A wildcard allows all service-linked roles to be created.",
        CREATE_SLR_WITH_STAR_IN_RESOURCE: "All service-linked roles may be created.",
        CREATE_SLR_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION:
            "NotAction allows all service-linked roles to be created.",
        ECR_LOGIN_ON_REPOSITORY:
            "ecr:GetAuthorizationToken is allowed on another resource than `*`.",
        ECR_PULL_WITHOUT_DOWNLOAD_URL:
            "ecr:BatchGetImage is allowed without ecr:GetDownloadUrlForLayer: no pull succeeds.",
        FORALLVALUES_WITHOUT_NULL_CHECK:
            "ForAllValues in an Allow lets requests without the key in, unless they ask for less.",
        IF_EXISTS_IN_ALLOW: "IfExists in an Allow lets requests without an identifying key in.",
        INVALID_DATE_VALUE: "A date is written as seconds since 1970.",
        INVALID_ROLE_REFERENCE: "A principal is the unique id of a role.",
        INVALID_USER_REFERENCE: "A principal is the unique id of a user.",
        MISSING_VERSION: "The policy has no Version, so that its variables are plain text.",
        MISSING_SAML_AUDIENCE_CONDITION:
            "A SAML provider is trusted without a condition on the audience.",
        MULTIVALUED_VARIABLE: "A policy variable is a key with several values, and so has none.",
        OBJECT_ACTION_ON_BUCKETS: "An action on S3 objects is allowed on the ARNs of buckets only.",
        SECRET_ARN_WITHOUT_SUFFIX:
            "The ARN of a secret lacks the hyphen and six characters that end it.",
        SET_OPERATOR_ON_SINGLE_VALUED_KEY: "A set operator stands before a key with one value.",
        SPECIFIC_GITHUB_REPO_AND_BRANCH_RECOMMENDED:
            "The subject of GitHub's tokens is compared with a wildcard.",
        TYPE_MISMATCH: "An operator is for another type of value than the condition key has.",
        TYPE_MISMATCH_ARN: "An operator for ARNs has a value that is no ARN.",
        TYPE_MISMATCH_BOOLEAN: "Bool or Null has a value other than true and false.",
        TYPE_MISMATCH_DATE: "An operator for dates has a value that is no date.",
        TYPE_MISMATCH_NUMBER: "An operator for numbers has a value that is no number.",
        TYPE_MISMATCH_STRING: "BinaryEquals has a value that is not base64.",
        UNKNOWN_VARIABLE: "A policy variable names a condition key that does not exist.",
        USE_CONDITION_KEY_ONLY_WITH_SUPPORTED_SERVICES:
            "A condition is on a key that requests to some of the services never carry.",
        WILDCARD_WITHOUT_LIKE_OPERATOR:
            "A value contains a wildcard that its operator takes literally.",
    }
    Suggestion {
        ALLOW_NOTACTION_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE:
            "An Allow with NotAction depends on a tag key that some services do not support.",
        ALLOW_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE:
            "An Allow depends on a tag key that a service does not support: it is void there.",
        CONFIRM_AUDIENCE_CLAIM_TYPE: "The claim `aud` is compared with a set operator.",
        DENY_WITH_NOT_PRINCIPAL: "A statement denies everyone except some principals.",
        EMPTY_ARRAY_CONDITION: "A condition has an empty list of values.",
        EMPTY_ARRAY_CONDITION_FORALLVALUES: "ForAllValues has an empty list of values.",
        EMPTY_ARRAY_CONDITION_FORANYVALUE: "ForAnyValue has an empty list of values.",
        EMPTY_ARRAY_CONDITION_IFEXISTS: "An operator with IfExists has an empty list of values.",
        EMPTY_OBJECT_CONDITION: "Condition, or the block of an operator, is an empty object.",
        EMPTY_SID_VALUE: "A Sid is empty.",
        EQUIVALENT_TO_NULL_FALSE: "A condition says no more than that a key is present.",
        EQUIVALENT_TO_NULL_TRUE: "A condition says no more than that a key is absent.",
        IMPROVE_IP_RANGE: "An address range has bits after its prefix, which are ignored.",
        MISSING_REQUIRED_RESOURCE:
            "An action is for a type of resource as well that no statement allows it on.",
        NULL_WITH_QUALIFIER: "Null stands after ForAllValues or ForAnyValue.",
        OLD_VERSION: "The policy's Version is 2008-10-17.",
        PRIVATE_IP_ADDRESS_SUBSET:
            "Some of the addresses that aws:SourceIp is compared with are private.",
        PRIVATE_NOT_IP_ADDRESS_SUBSET:
            "Some of the addresses that aws:SourceIp must differ from are private.",
        RECOMMENDED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL:
            "A service principal is limited by another key than the source that it acts for.",
        REDUNDANT_ACTION: "An action is contained in another of the same statement.",
        REDUNDANT_CONDITION_VALUE_NUM:
            "Of several values of a numeric comparison, only one counts.",
        REDUNDANT_IF_EXISTS: "IfExists stands on a key that every request carries.",
        REDUNDANT_KEY_DUE_TO_WILDCARD_IN_CONDITION: "A condition is always met.",
        REDUNDANT_PRINCIPAL_IN_ROLE_TRUST_POLICY: "A session is a principal beside its role.",
        REDUNDANT_RESOURCE: "A resource is contained in another of the same statement.",
        REDUNDANT_STATEMENT: "Two statements are equal.",
        REDUNDANT_STATEMENT_DUE_TO_WILDCARD_IN_CONDITION: "A condition is never met.",
        RESOURCE_WILDCARD:
            "An action that is for a type of resource is allowed on all resources of the type.",
        SERVICE_WILDCARD: "A statement allows all actions of a service, or of all services.",
        STRING_OPERATOR_WITH_ARN_KEY: "A string operator compares a key whose values are ARNs.",
        SUBSUMED_STATEMENT: "A statement is covered by another with the same effect.",
        WILDCARD_IN_SERVICE_NAME: "The service of an ARN contains a wildcard.",
    }
}
