/* Contrasts of computed colours, for the tests in a browser. */
window.pixel = (colour, under = [255, 255, 255]) => {
  const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d")
  context.fillStyle = `rgb(${under})`
  context.fillRect(0, 0, 1, 1)
  context.fillStyle = colour
  context.fillRect(0, 0, 1, 1)
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
}
window.luminance = (rgb) => rgb.map((part) => part / 255)
  .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
  .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0)
window.contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}
/* The colour behind an element: the backgrounds of its ancestors, over the canvas of the page's colour scheme. */
window.surface = (element) => {
  const backgrounds = []
  for (let node = element.parentElement; node; node = node.parentElement) backgrounds.push(getComputedStyle(node).backgroundColor)
  document.body.append(Object.assign(document.createElement("i"), { id: "canvas-probe" }))
  const probe = document.querySelector("#canvas-probe")
  probe.style.backgroundColor = "Canvas"
  const canvas = pixel(getComputedStyle(probe).backgroundColor)
  probe.remove()
  return backgrounds.reverse().reduce((under, background) => pixel(background, under), canvas)
}
