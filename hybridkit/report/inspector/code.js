// Lines of Python, and a button that copies them.

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "hk-code";
  const button = document.createElement("button");
  const code = document.createElement("pre");
  const done = document.createElement("span");
  button.type = "button";
  button.dataset.testid = "python-copy";
  button.textContent = "Copy as Python";
  code.dataset.testid = "python";
  code.tabIndex = 0;
  code.setAttribute("aria-label", "Python that reproduces this view");
  done.setAttribute("role", "status");
  root.append(button, done, code);
  el.append(root);

  const draw = () => {
    code.textContent = model.get("code");
    done.textContent = "";
  };
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(model.get("code"));
      done.textContent = "copied";
    } catch { // no clipboard without a secure address: the lines are selected, to be copied by hand
      getSelection().selectAllChildren(code);
      done.textContent = "selected: copy with Ctrl+C";
    }
  });
  model.on("change:code", draw);
  draw();
}

export default { render };
