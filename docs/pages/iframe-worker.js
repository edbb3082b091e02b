// Search from the disk: a browser starts no worker from file://, so the worker's script runs in a hidden frame instead.
if (location.protocol === "file:") window.Worker = class extends EventTarget {
  constructor(url) {
    super()
    const frame = this.frame = document.createElement("iframe")
    frame.hidden = true
    frame.answer = data => this.dispatchEvent(new MessageEvent("message", { data }))
    this.ready = new Promise(done => frame.ready = done)
    document.documentElement.appendChild(frame)
    const script = (rest, code) => `<script ${rest}>${code}</` + "script>"
    frame.contentDocument.write(script("", "postMessage = data => frameElement.answer(data); importScripts = () => {}")
      + script(`src="${url}" onload="frameElement.ready()"`, ""))
    frame.contentDocument.close()
  }
  postMessage(data) {
    this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })))
  }
  terminate() { this.frame.remove() }
}
