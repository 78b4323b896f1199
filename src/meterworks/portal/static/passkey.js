// Passkeys: asks for options, lets the browser ask the person, sends the answer back.
// The JSON forms of WebAuthn objects are made here, since not every browser has parse*OptionsFromJSON yet.

const CEREMONIES = {
  login: { path: "/login/passkey", create: false },
  enrol: { path: "/account/passkey", create: true },
  proof: { path: "/account/proof/passkey", create: false },
};

const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

function parsed(options) {
  const found = { ...options, challenge: toBytes(options.challenge) };
  if (options.user) found.user = { ...options.user, id: toBytes(options.user.id) };
  for (const name of ["allowCredentials", "excludeCredentials"]) {
    if (options[name]) found[name] = options[name].map((each) => ({ ...each, id: toBytes(each.id) }));
  }
  return found;
}

function written(credential) {
  const response = { clientDataJSON: toText(credential.response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = toText(credential.response[name]);
  }
  return { id: credential.id, rawId: toText(credential.rawId), type: credential.type, response };
}

async function send(path, token, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Form-Token": token },
    body: JSON.stringify(body),
  });
  const document = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(document.detail), { code: document.code });
  return document;
}

function show(message) {
  const place = document.getElementById("passkey-message");
  place.textContent = message;
  place.hidden = false;
}

function showCodes(codes) {
  const place = document.getElementById("recovery-codes");
  for (const code of codes) {
    const line = document.createElement("li");
    line.append(Object.assign(document.createElement("code"), { textContent: code }));
    place.querySelector("ul").append(line);
  }
  place.hidden = false;
}

async function perform(button) {
  const { path, create } = CEREMONIES[button.dataset.passkey];
  const token = button.dataset.formToken;
  const options = parsed(await send(`${path}/options`, token, {}));
  const credential = create
    ? await navigator.credentials.create({ publicKey: options })
    : await navigator.credentials.get({ publicKey: options });
  const answer = await send(path, token, { credential: written(credential) });
  if (answer.recovery_codes?.length) showCodes(answer.recovery_codes);
  else window.location.assign(answer.location ?? button.dataset.target ?? "/account");
}

if (window.PublicKeyCredential) {
  for (const button of document.querySelectorAll("[data-passkey]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      button.disabled = true;
      perform(button)
        .catch((error) => {
          if (error.code === "step-up-needed") window.location.assign("/account/proof?target=/account");
          else show(error.message);
        })
        .finally(() => {
          button.disabled = false;
        });
    });
  }
}
