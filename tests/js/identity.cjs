// Prints the ARN of the caller that the default chain of the SDK finds, once for each call of one
// client. The arguments are the number of calls, or `until` and the path of a file: the calls end
// when it exists. The packages come from the folder in NODE_PATH, which only CommonJS reads.

"use strict";

const { existsSync } = require("node:fs");
const { setTimeout } = require("node:timers/promises");
const { GetCallerIdentityCommand, STSClient } = require("@aws-sdk/client-sts");
const { fromNodeProviderChain } = require("@aws-sdk/credential-providers");

async function main([calls, file]) {
  const client = new STSClient({ credentials: fromNodeProviderChain() });
  const isDone = (done) => (calls === "until" ? existsSync(file) : done === Number(calls));
  for (let done = 0; !isDone(done); done += 1) {
    const answer = await client.send(new GetCallerIdentityCommand({}));
    console.log(answer.Arn);
    if (calls === "until") {
      await setTimeout(100);
    }
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
});
