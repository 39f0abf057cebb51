resource "aws_iam_openid_connect_provider" "cluster" {
  url             = "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E"
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = ["990f4193972f2becf12ddeda5237f9c952f20d9e"]
}

resource "aws_iam_role" "service_account" {
  name = "shop-service-account"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          Federated = aws_iam_openid_connect_provider.cluster.arn
        }
        Action = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E:sub" = "system:serviceaccount:shop:checkout"
            "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E:aud" = "sts.amazonaws.com"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role" "project" {
  name = "shop"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect = "Allow"
        Principal = {
          AWS = aws_iam_role.service_account.arn
        }
        Action = "sts:AssumeRole"
        Condition = {
          StringEquals = {
            "sts:ExternalId" = "shop-4711"
          }
        }
      },
      {
        Effect = "Allow"
        Principal = {
          AWS = "arn:aws:iam::444455556666:role/deploy"
        }
        Action = "sts:AssumeRole"
        Condition = {
          StringEquals = {
            "sts:ExternalId" = "shop-4711"
          }
        }
      },
    ]
  })
}

resource "aws_iam_policy" "bucket" {
  name = "shop-bucket"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "S3ListBucket"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:aws:s3:::shop-data"
      },
      {
        Sid    = "S3Objects"
        Effect = "Allow"
        Action = [
          "s3:GetObject",
          "s3:PutObject",
        ]
        Resource = "arn:aws:s3:::shop-data/*"
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "bucket" {
  role       = aws_iam_role.project.name
  policy_arn = aws_iam_policy.bucket.arn
}

resource "aws_iam_policy" "secrets" {
  name = "shop-secrets"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Secrets"
        Effect = "Allow"
        Action = [
          "secretsmanager:DescribeSecret",
          "secretsmanager:GetSecretValue",
        ]
        Resource = [
          "arn:aws:secretsmanager:eu-west-1:*:secret:shop/*",
          "arn:aws:secretsmanager:eu-west-1:*:secret:common/*",
        ]
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "secrets" {
  role       = aws_iam_role.project.name
  policy_arn = aws_iam_policy.secrets.arn
}

resource "aws_iam_policy" "images" {
  name = "shop-images"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "EcrLogin"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid    = "EcrImages"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability",
          "ecr:InitiateLayerUpload",
          "ecr:UploadLayerPart",
          "ecr:CompleteLayerUpload",
          "ecr:PutImage",
          "ecr:BatchGetImage",
        ]
        Resource = [
          "arn:aws:ecr:eu-west-1:*:repository/shop/*",
          "arn:aws:ecr:eu-west-1:*:repository/common/*",
        ]
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "images" {
  role       = aws_iam_role.project.name
  policy_arn = aws_iam_policy.images.arn
}

resource "aws_iam_policy" "assume_role" {
  name = "shop-assume-role"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "AssumeRoles"
        Effect   = "Allow"
        Action   = "sts:AssumeRole"
        Resource = aws_iam_role.project.arn
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "assume_role" {
  role       = aws_iam_role.service_account.name
  policy_arn = aws_iam_policy.assume_role.arn
}
