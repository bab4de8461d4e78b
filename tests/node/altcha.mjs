// Solves a challenge with altcha-lib, another implementation of the format than the one that Herald uses:
//
//   echo '{"parameters": …, "signature": …}' | node altcha.mjs     → the solution in base64, as ALTCHA's widget sends it
import { readFileSync } from 'node:fs';
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';

const challenge = JSON.parse(readFileSync(0, 'utf8'));
const solution = await solveChallenge({ challenge, deriveKey });
process.stdout.write(btoa(JSON.stringify({ challenge, solution })));
