// Transforms of the plane, as rows of three: they take (x, y) of the visible image to (x, y) of the
// infrared one and count from the centre of the first pixel, as in the server.
export const shift = (x, y) => [[1, 0, x], [0, 1, y], [0, 0, 1]];

export const product = (...all) => all.reduce((a, b) => a.map((row) => [0, 1, 2].map((k) => row[0] * b[0][k] + row[1] * b[1][k] + row[2] * b[2][k])));

export function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const rows = [[e * i - f * h, c * h - b * i, b * f - c * e], [f * g - d * i, a * i - c * g, c * d - a * f], [d * h - e * g, b * g - a * h, a * e - b * d]];
  const size = a * rows[0][0] + b * rows[1][0] + c * rows[2][0];
  return rows.map((row) => row.map((value) => value / size));
}

export function apply(m, x, y) {
  const [u, v, w] = m.map((row) => row[0] * x + row[1] * y + row[2]);
  return [u / w, v / w];
}

// Where an infrared image lies that is stretched over a visible one.
export function stretched(visible, infrared) {
  const right = infrared.width / visible.width;
  const down = infrared.height / visible.height;
  return [[right, 0, (right - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]];
}

// A turn (in degrees, clockwise as seen) and a scale about the middle of an image, then a shift.
export function moved({ right, down, turn, scale }, { width, height }) {
  const [x, y, angle] = [(width - 1) / 2, (height - 1) / 2, (turn * Math.PI) / 180];
  const [c, s] = [scale * Math.cos(angle), scale * Math.sin(angle)];
  return product(shift(x + right, y + down), [[c, -s, 0], [s, c, 0], [0, 0, 1]], shift(-x, -y));
}

// As the browser's transform of an element of the infrared image's pixels, shown k times as large as
// the visible image's. The browser counts from the pixel's corner.
export function asStyle(toVisible, k) {
  const m = product([[k, 0, 0], [0, k, 0], [0, 0, 1]], shift(0.5, 0.5), toVisible, shift(-0.5, -0.5));
  return `matrix3d(${[m[0][0], m[1][0], 0, m[2][0], m[0][1], m[1][1], 0, m[2][1], 0, 0, 1, 0, m[0][2], m[1][2], 0, m[2][2]].join(",")})`;
}
