// Asks the browser for a passkey when a form that wants one is sent. Pages may be in other words, which
// are looked up between tags: no character that begins or ends a tag stands in here.
(function () {
  "use strict";
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  function bytes(text) {
    var plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, function (one) { return one.charCodeAt(0); });
  }

  function text(buffer) {
    var plain = Array.from(new Uint8Array(buffer), function (one) { return String.fromCharCode(one); });
    return btoa(plain.join("")).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function known(list) {
    (list || []).forEach(function (one) { one.id = bytes(one.id); });
  }

  function ask(options) {
    options.challenge = bytes(options.challenge);
    known(options.allowCredentials);
    known(options.excludeCredentials);
    if (!options.user) return navigator.credentials.get({ publicKey: options });
    options.user.id = bytes(options.user.id);
    return navigator.credentials.create({ publicKey: options });
  }

  function told(made) {
    var said = made.response;
    var answer = { id: text(made.rawId), client: text(said.clientDataJSON) };
    if (said.attestationObject) {
      answer.object = text(said.attestationObject);
    } else {
      answer.data = text(said.authenticatorData);
      answer.signature = text(said.signature);
      answer.user = said.userHandle ? text(said.userHandle) : "";
    }
    return JSON.stringify(answer);
  }

  document.querySelectorAll("form[data-passkey]").forEach(function (form) {
    form.hidden = false;
    form.addEventListener("submit", function (event) {
      event.preventDefault();
      ask(JSON.parse(form.dataset.passkey)).then(function (made) {
        form.elements.namedItem("answer").value = told(made);
        HTMLFormElement.prototype.submit.call(form);
      }).catch(function () {
        form.querySelector("[role=alert]").hidden = false;
      });
    });
  });
  document.querySelectorAll("[data-without]").forEach(function (one) { one.hidden = true; });
})();
