// Prints the ARN of the caller that the default chain of the SDK finds, once for each call of one
// client. The argument is the number of calls. The packages come from the folder in NODE_PATH,
// which only CommonJS reads.

"use strict";

const { GetCallerIdentityCommand, STSClient } = require("@aws-sdk/client-sts");
const { fromNodeProviderChain } = require("@aws-sdk/credential-providers");

async function main() {
  const client = new STSClient({ credentials: fromNodeProviderChain() });
  for (let call = 0; call < Number(process.argv[2]); call += 1) {
    const answer = await client.send(new GetCallerIdentityCommand({}));
    console.log(answer.Arn);
  }
}

main().catch((error) => {
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
});
