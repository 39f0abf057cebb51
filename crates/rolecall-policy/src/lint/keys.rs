//! The condition keys that are not about one service, and which requests carry each: a condition on
//! a key that a request never carries is void.
//!
//! The tables follow the pages "AWS global condition context keys" and "IAM and AWS STS condition
//! context keys" of AWS's documentation.

use super::catalog::{ValueType, listed_key, matches_key, nearest, service};

/// A global key, or a key that a service adds to requests to other services.
#[derive(Debug)]
pub(crate) struct Key {
    /// The name in its canonical spelling. `${TagKey}` stands for any text.
    pub(crate) name: &'static str,
    /// The type of its values.
    pub(crate) value: ValueType,
    /// `true` if a request may carry several values.
    pub(crate) is_multivalued: bool,
    /// The requests that carry the key.
    pub(crate) carrier: Carrier,
    /// What to consider in a condition on the key.
    pub(crate) caution: Option<Caution>,
}

/// What to consider in a condition on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caution {
    /// Identifies an account, an organization or a network. A wildcard or a variable in the value
    /// may match that of a stranger.
    Sensitive,
    /// The caller chooses the value freely.
    Spoofable,
}

/// The requests that carry a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Carrier {
    Every,
    Signed,
    /// Those of principals in an organization.
    OrganizationMember,
    TaggedPrincipal,
    /// Those that an AWS service makes as itself.
    ServicePrincipal,
    IamUser,
    /// Those with temporary credentials.
    TemporaryCredentials,
    /// Those with temporary credentials of an IAM user or a role, but not of a federated identity.
    MfaCapableCredentials,
    /// Those of sessions that these services or operations start.
    AssumeRootSession,
    WebIdentitySession,
    SignInSession,
    ChatSession,
    Ec2Session,
    GlueSession,
    CodeBuildSession,
    LambdaSession,
    SystemsManagerSession,
    IdentityCenterSession,
    DelegatedSession,
    SourceIdentitySession,
    /// Those to a public endpoint, and not through a VPC endpoint.
    PublicEndpoint,
    VpcEndpoint,
    /// Those through a VPC endpoint to these services. Each text lists some, separated by spaces.
    VpcEndpointOf(&'static [&'static str]),
    /// Those for a resource, except by a few actions.
    ResourceOwner,
    /// The same, if the owner is in an organization.
    ResourceOwnerInOrganization,
    TaggedResource,
    RequestWithTags,
    /// Those that a service makes with the credentials of its caller.
    ForwardedAccess,
    McpServer,
    Browser,
    /// Those for these actions of STS. `*` stands for all others.
    Sts(&'static [(&'static str, Presence)]),
}

/// How often the requests for an action carry a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Always,
    Sometimes,
    Never,
}

use Carrier::*;
use Presence::{Always, Never, Sometimes};
use ValueType::{Arn, Bool, Date, DateOrNumeric, IpAddress, Numeric, String, StringOrArn};

const fn key(name: &'static str, value: ValueType, carrier: Carrier) -> Key {
    Key { name, value, is_multivalued: false, carrier, caution: None }
}

const fn list(name: &'static str, value: ValueType, carrier: Carrier) -> Key {
    Key { name, value, is_multivalued: true, carrier, caution: None }
}

const fn sensitive(name: &'static str, carrier: Carrier) -> Key {
    let caution = Some(Caution::Sensitive);
    Key { name, value: String, is_multivalued: false, carrier, caution }
}

const fn spoofable(name: &'static str, carrier: Carrier) -> Key {
    let caution = Some(Caution::Spoofable);
    Key { name, value: String, is_multivalued: false, carrier, caution }
}

static KEYS: &[Key] = &[
    // The principal.
    key("aws:PrincipalArn", Arn, Signed),
    sensitive("aws:PrincipalAccount", Every),
    list("aws:PrincipalOrgPaths", String, OrganizationMember),
    sensitive("aws:PrincipalOrgID", OrganizationMember),
    key("aws:PrincipalTag/${TagKey}", String, TaggedPrincipal),
    key("aws:PrincipalIsAWSService", Bool, Signed),
    key("aws:PrincipalServiceName", String, ServicePrincipal),
    list("aws:PrincipalServiceNamesList", String, ServicePrincipal),
    key("aws:PrincipalType", String, Every),
    key("aws:userid", String, Every),
    key("aws:username", String, IamUser),
    // The session.
    key("aws:AssumedRoot", Bool, AssumeRootSession),
    key("aws:FederatedProvider", StringOrArn, WebIdentitySession),
    key("aws:TokenIssueTime", Date, TemporaryCredentials),
    key("aws:SignInSessionArn", Arn, SignInSession),
    key("aws:MultiFactorAuthAge", Numeric, MfaCapableCredentials),
    key("aws:MultiFactorAuthPresent", Bool, MfaCapableCredentials),
    key("aws:ChatbotSourceArn", Arn, ChatSession),
    key("aws:Ec2InstanceSourceVpc", String, Ec2Session),
    key("aws:Ec2InstanceSourcePrivateIPv4", IpAddress, Ec2Session),
    key("aws:SourceIdentity", String, SourceIdentitySession),
    key("aws:ViaCustomerDomain", String, DelegatedSession),
    key("ec2:RoleDelivery", Numeric, Ec2Session),
    key("ec2:SourceInstanceArn", Arn, Ec2Session),
    key("glue:RoleAssumedBy", String, GlueSession),
    key("glue:CredentialIssuingService", String, GlueSession),
    key("codebuild:BuildArn", Arn, CodeBuildSession),
    key("codebuild:ProjectArn", Arn, CodeBuildSession),
    key("lambda:SourceFunctionArn", Arn, LambdaSession),
    key("ssm:SourceInstanceArn", Arn, SystemsManagerSession),
    key("identitystore:UserId", String, IdentityCenterSession),
    // The network.
    key("aws:SourceIp", IpAddress, PublicEndpoint),
    sensitive("aws:SourceVpc", VpcEndpoint),
    key("aws:SourceVpcArn", Arn, VpcEndpointOf(&[VPC_ARN])),
    sensitive("aws:SourceVpce", VpcEndpoint),
    sensitive("aws:VpceAccount", VpcEndpointOf(&[VPC_ARN, VPCE_OWNER])),
    sensitive("aws:VpceOrgID", VpcEndpointOf(&[VPC_ARN, VPCE_OWNER, VPCE_ORG_ID])),
    list("aws:VpceOrgPaths", String, VpcEndpointOf(&[VPC_ARN, VPCE_OWNER, "secretsmanager sts"])),
    key("aws:VpcSourceIp", IpAddress, VpcEndpoint),
    // The resource.
    sensitive("aws:ResourceAccount", ResourceOwner),
    list("aws:ResourceOrgPaths", String, ResourceOwnerInOrganization),
    sensitive("aws:ResourceOrgID", ResourceOwnerInOrganization),
    key("aws:ResourceTag/${TagKey}", String, TaggedResource),
    // The request.
    list("aws:CalledVia", String, ForwardedAccess),
    key("aws:CalledViaFirst", String, ForwardedAccess),
    key("aws:CalledViaLast", String, ForwardedAccess),
    key("aws:CalledViaAWSMCP", String, McpServer),
    key("aws:ViaAWSService", Bool, Every),
    key("aws:ViaAWSMCPService", Bool, McpServer),
    key("aws:IsMcpServiceAction", Bool, McpServer),
    key("aws:CurrentTime", Date, Every),
    key("aws:EpochTime", DateOrNumeric, Every),
    spoofable("aws:referer", Browser),
    key("aws:RequestedRegion", String, Every),
    key("aws:RequestTag/${TagKey}", String, RequestWithTags),
    list("aws:TagKeys", String, RequestWithTags),
    key("aws:SecureTransport", Bool, Every),
    sensitive("aws:SourceAccount", ServicePrincipal),
    key("aws:SourceArn", Arn, ServicePrincipal),
    sensitive("aws:SourceOrgID", ServicePrincipal),
    list("aws:SourceOrgPaths", String, ServicePrincipal),
    spoofable("aws:UserAgent", Every),
    // The parameters of STS.
    key("sts:ExternalId", String, Sts(&[("AssumeRole", Sometimes)])),
    key(
        "sts:RoleSessionName",
        String,
        Sts(&[
            ("AssumeRole", Always),
            ("AssumeRoleWithSAML", Always),
            ("AssumeRoleWithWebIdentity", Always),
        ]),
    ),
    key(
        "sts:SourceIdentity",
        String,
        Sts(&[
            ("AssumeRole", Sometimes),
            ("AssumeRoleWithSAML", Sometimes),
            ("AssumeRoleWithWebIdentity", Sometimes),
        ]),
    ),
    list("sts:TransitiveTagKeys", String, Sts(&[("*", Sometimes)])),
    list("sts:RequestContextProviders", Arn, Sts(&[("AssumeRole", Sometimes)])),
    key("sts:RequestContext/${ContextKey}", String, Sts(&[("AssumeRole", Sometimes)])),
    key("sts:RoleAuthorizedByIdp", Bool, Sts(&[("AssumeRoleWithWebIdentity", Always)])),
    key("sts:TaskPolicyArn", Arn, Sts(&[("AssumeRoot", Always)])),
    key("sts:AWSServiceName", String, Sts(&[("GetServiceBearerToken", Always)])),
    // Not the duration of a role's session: STS carries it for tokens only.
    key(
        "sts:DurationSeconds",
        Numeric,
        Sts(&[("GetServiceBearerToken", Sometimes), ("GetWebIdentityToken", Sometimes)]),
    ),
    list("sts:IdentityTokenAudience", String, Sts(&[("GetWebIdentityToken", Always)])),
    key("sts:SigningAlgorithm", String, Sts(&[("GetWebIdentityToken", Always)])),
];

/// The services to which requests through a VPC endpoint carry `aws:SourceVpcArn`.
const VPC_ARN: &str = "acm-pca applicationinsights apprunner athena cloudformation \
    comprehendmedical compute-optimizer datasync discovery ebs ecr ecs firehose healthlake iam \
    iotfleetwise iotwireless kinesisanalytics kms lambda medical-imaging omics \
    payment-cryptography polly rbin rekognition route53 s3 scheduler servicediscovery \
    servicequotas ssm-contacts storagegateway textract transcribe transfer";
/// The others that carry `aws:VpceAccount`.
const VPCE_OWNER: &str = "dynamodb gamelift shield";
/// The others that carry `aws:VpceOrgID`.
const VPCE_ORG_ID: &str = "b2bi cassandra cloudhsm cognito-identity dms ds-data \
    identitystore iottwinmaker kinesis network-firewall pricing qbusiness ses sms-voice sqs \
    workmail";

/// The actions whose requests do not carry the owner of the resource, besides all actions of `ebs`.
const WITHOUT_RESOURCE_OWNER: [&str; 15] = [
    "auditmanager:UpdateAssessmentFrameworkShare",
    "detective:AcceptInvitation",
    "ds:AcceptSharedDirectory",
    "ec2:AcceptTransitGatewayPeeringAttachment",
    "ec2:AcceptVpcEndpointConnections",
    "ec2:AcceptVpcPeeringConnection",
    "ec2:CreateTransitGatewayPeeringAttachment",
    "ec2:CreateVpcEndpoint",
    "ec2:CreateVpcPeeringConnection",
    "guardduty:AcceptAdministratorInvitation",
    "macie2:AcceptInvitation",
    "es:AcceptInboundConnection",
    "route53:AssociateVPCWithHostedZone",
    "route53:CreateVPCAssociationAuthorization",
    "securityhub:AcceptAdministratorInvitation",
];

impl Key {
    /// Returns how often the requests for an action such as `sts:AssumeRole` carry the key.
    pub(crate) fn presence(&self, action: &str) -> Presence {
        match StsRequest::of(action) {
            // STS decides these together with the request that names the tags, the source identity
            // or the context, and nothing says that it leaves keys out then.
            Some(StsRequest::Companion) => {
                let requests = ["AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"];
                let all = requests.map(|name| self.carrier.presence(&format!("sts:{name}")));
                match all.iter().all(|presence| *presence == all[0]) {
                    true => all[0],
                    false => Sometimes,
                }
            }
            _ => self.carrier.presence(action),
        }
    }
}

impl Carrier {
    fn presence(self, action: &str) -> Presence {
        let (service, name) = action.split_once(':').unwrap_or((action, ""));
        let request = StsRequest::of(action);
        match self {
            Every => Always,
            Sts(_) if !service.eq_ignore_ascii_case("sts") => Never,
            Sts(requests) => {
                let named = requests.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                let others = || requests.iter().find(|(known, _)| *known == "*");
                named.or_else(others).map_or(Never, |(_, presence)| *presence)
            }
            VpcEndpointOf(lists) => {
                let mut services = lists.iter().flat_map(|list| list.split(' '));
                match services.any(|known| known.eq_ignore_ascii_case(service)) {
                    true => Sometimes,
                    false => Never,
                }
            }
            ResourceOwner | ResourceOwnerInOrganization => {
                let mut without = WITHOUT_RESOURCE_OWNER.iter();
                let is_listed = without.any(|known| known.eq_ignore_ascii_case(action));
                match is_listed || service.eq_ignore_ascii_case("ebs") {
                    true => Never,
                    false => Sometimes,
                }
            }
            WebIdentitySession if request == Some(StsRequest::WebIdentity) => Always,
            PublicEndpoint | VpcEndpoint | TaggedResource | RequestWithTags | Browser => Sometimes,
            // The rest describes the caller's credentials, or the service that uses them.
            _ if request.is_some_and(StsRequest::is_unsigned) => Never,
            Signed => Always,
            _ => Sometimes,
        }
    }

    /// Returns which requests carry the key, to complete "is carried by".
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Every => "every request",
            Signed => "signed requests",
            OrganizationMember => "requests of principals in an organization",
            TaggedPrincipal => "requests of principals with tags",
            ServicePrincipal => "requests that an AWS service makes as itself",
            IamUser => "requests of IAM users",
            TemporaryCredentials => "requests with temporary credentials",
            MfaCapableCredentials => {
                "requests with temporary credentials that are not of a federated identity"
            }
            AssumeRootSession => "requests with credentials of AssumeRoot",
            WebIdentitySession => "requests of sessions that a web identity started",
            SignInSession => "requests of AWS Sign-In sessions",
            ChatSession => "requests from chat applications",
            Ec2Session => "requests with credentials of an EC2 instance",
            GlueSession => "requests of AWS Glue and its jobs",
            CodeBuildSession => "requests of CodeBuild builds",
            LambdaSession => "requests of Lambda functions",
            SystemsManagerSession => "requests of managed instances of Systems Manager",
            IdentityCenterSession => "requests of users of IAM Identity Center",
            DelegatedSession => "requests with temporarily delegated access",
            SourceIdentitySession => "requests of sessions with a source identity",
            PublicEndpoint => "requests that are not made through a VPC endpoint",
            VpcEndpoint => "requests through a VPC endpoint",
            VpcEndpointOf(_) => "requests through a VPC endpoint of some services",
            ResourceOwner => "requests for a resource, except for some actions",
            ResourceOwnerInOrganization => {
                "requests for a resource whose owner is in an organization, except for some actions"
            }
            TaggedResource => "requests for a resource with tags",
            RequestWithTags => "requests that pass tags",
            ForwardedAccess => "requests that a service makes with the credentials of its caller",
            McpServer => "requests of AWS MCP servers",
            Browser => "requests by a link on a web page",
            Sts(_) => "requests for some actions of STS",
        }
    }
}

/// The requests to STS whose callers differ from those of other requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StsRequest {
    WebIdentity,
    Saml,
    /// A permission that a request to assume a role needs as well.
    Companion,
    Other,
}

impl StsRequest {
    fn of(action: &str) -> Option<Self> {
        let (service, name) = action.split_once(':')?;
        if !service.eq_ignore_ascii_case("sts") {
            return None;
        }
        Some(match name.to_ascii_lowercase().as_str() {
            "assumerolewithwebidentity" => Self::WebIdentity,
            "assumerolewithsaml" => Self::Saml,
            "tagsession" | "setsourceidentity" | "setcontext" => Self::Companion,
            _ => Self::Other,
        })
    }

    /// Returns `true` if the caller has no AWS credentials yet.
    fn is_unsigned(self) -> bool {
        matches!(self, Self::WebIdentity | Self::Saml)
    }
}

/// Returns the key with a name such as `aws:SourceIp` or `aws:PrincipalTag/team`.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| matches_key(key.name, name))
}

/// Returns the global key that is spelled most like a name, if one is similar.
pub(crate) fn nearest_global_key(name: &str) -> Option<&'static str> {
    nearest(name, KEYS.iter().map(|key| key.name).filter(|name| name.starts_with("aws:")))
}

/// A claim of an identity provider's token, or an attribute of a SAML response, as a condition key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) value: ValueType,
    pub(crate) is_multivalued: bool,
    /// `true` if the requests of the session carry it too, and not only the one that starts it.
    pub(crate) is_in_session: bool,
}

/// Splits the key of a token's claim, such as `token.actions.githubusercontent.com:sub`, into the
/// issuer without its scheme and the claim.
pub(crate) fn split_issuer(name: &str) -> Option<(&str, &str)> {
    // The issuer may have a port, and the claim a slash: `oidc.circleci.com/project-id`.
    name.rsplit_once(':').filter(|(issuer, _)| issuer.contains('.'))
}

/// Returns the claim of a key such as `token.actions.githubusercontent.com:sub`. STS makes keys of
/// these claims alone: any other, such as `:namespace`, is in no request.
pub(crate) fn find_claim(name: &str) -> Option<Claim> {
    let (issuer, claim) = split_issuer(name)?;
    let issuer_is = |known: &str| issuer.eq_ignore_ascii_case(known);
    let text = |is_multivalued, is_in_session| {
        Some(Claim { value: String, is_multivalued, is_in_session })
    };
    match claim.to_ascii_lowercase().as_str() {
        "aud" | "sub" => text(false, true),
        "amr" => text(true, true),
        "email" | "oaud" => text(false, false),
        "app_id" | "user_id" if issuer_is("www.amazon.com") => text(false, true),
        "app_id" | "id" if issuer_is("graph.facebook.com") => text(false, true),
        _ => {
            let key = service("sts")?.condition_key(name)?;
            Some(Claim {
                value: key.value,
                is_multivalued: key.is_multivalued,
                is_in_session: false,
            })
        }
    }
}

/// Returns the attribute of a key such as `saml:sub`.
pub(crate) fn find_saml_attribute(name: &str) -> Option<Claim> {
    let (prefix, attribute) = name.split_once(':')?;
    if !prefix.eq_ignore_ascii_case("saml") {
        return None;
    }
    let key = service("sts")?.condition_key(name)?;
    // The reference states one value for these, the documentation a list.
    let is_list = [
        "commonname",
        "givenname",
        "mail",
        "name",
        "organizationstatus",
        "primarygroupsid",
        "surname",
        "uid",
        "x500uniqueidentifier",
    ];
    let attribute = attribute.to_ascii_lowercase();
    Some(Claim {
        value: key.value,
        is_multivalued: key.is_multivalued || is_list.contains(&attribute.as_str()),
        is_in_session: ["namequalifier", "sub", "sub_type"].contains(&attribute.as_str()),
    })
}

/// Returns how often the requests for an action such as `sts:AssumeRole` carry a key. Returns
/// `None` for an unknown key, and for a key of one service: the catalog lists the latter.
pub(crate) fn presence(name: &str, action: &str) -> Option<Presence> {
    if let Some(key) = find(name) {
        return Some(key.presence(action));
    }
    let (claim, starts_session) = match split_issuer(name) {
        Some(_) => (find_claim(name), StsRequest::WebIdentity),
        None => (Some(find_saml_attribute(name)?), StsRequest::Saml),
    };
    // The key has the form of a claim, but STS makes no key of it.
    let Some(claim) = claim else { return Some(Never) };
    Some(match StsRequest::of(action) {
        Some(StsRequest::Companion) => Sometimes,
        Some(request) if request == starts_session => Sometimes,
        Some(request) if request.is_unsigned() => Never,
        _ if claim.is_in_session => Sometimes,
        _ => Never,
    })
}

/// Returns the type of a key's values, and `true` if a request may carry several of them. Returns
/// `None` for an unknown key.
pub(crate) fn value_type(name: &str) -> Option<(ValueType, bool)> {
    if let Some(key) = find(name) {
        return Some((key.value, key.is_multivalued));
    }
    if let Some(claim) = find_claim(name).or_else(|| find_saml_attribute(name)) {
        return Some((claim.value, claim.is_multivalued));
    }
    let key = listed_key(name)?;
    Some((key.value, key.is_multivalued))
}

#[cfg(test)]
mod tests;
