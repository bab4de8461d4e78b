// Submits one form with Formspree's own library and prints what its caller gets, as one line of JSON.
//
// Standard input is one JSON object:
//   endpoint  the address that takes Formspree's place
//   form      the form's key
//   origin    what a browser would send as Origin; without it the header is not sent
//   page      true: let the library believe that it is on a page, where it sends Formspree-Session-Data, too
//   fields    an object, which the library sends as JSON
//   pairs     or a list of [name, text], sent as FormData; a text that is an object {file, text} is a file
//   extra     an object of fields that the library adds to either
//   client    clientName of the options

import { appendExtraData, createClient, isSubmissionError } from "@formspree/core";

let text = "";
for await (const chunk of process.stdin) text += chunk;
const job = JSON.parse(text);

if (job.page) {
  globalThis.window = globalThis;
  globalThis.navigator ??= {};
  globalThis.document = { documentElement: { getAttribute: () => null } };
}

const requests = [];
const unwrapped = globalThis.fetch;
globalThis.fetch = async (url, init) => {
  const headers = job.origin ? { ...init.headers, Origin: job.origin } : init.headers;
  const response = await unwrapped(url, { ...init, headers });
  requests.push({
    path: new URL(url).pathname,
    headers: init.headers,
    status: response.status,
    allowed: response.headers.get("access-control-allow-origin"),
  });
  return response;
};

function data() {
  if (!job.pairs) return { ...job.fields };
  const form = new FormData();
  for (const [name, value] of job.pairs) {
    if (typeof value === "string") form.append(name, value);
    else form.append(name, new Blob([value.text]), value.file);
  }
  return form;
}

const sent = data();
for (const [name, value] of Object.entries(job.extra ?? {})) appendExtraData(sent, name, value);
const result = await createClient().submitForm(job.form, sent, { endpoint: job.endpoint, clientName: job.client });
const failed = isSubmissionError(result);
console.log(
  JSON.stringify({
    kind: result.kind,
    next: failed ? null : result.next,
    formErrors: failed ? result.getFormErrors() : [],
    emailErrors: failed ? result.getFieldErrors("email") : [],
    fieldErrors: failed ? Object.fromEntries(result.getAllFieldErrors()) : {},
    requests,
  }),
);
