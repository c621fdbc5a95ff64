import type { SKRSContext2D } from '@napi-rs/canvas';

/** Paths of figures, about one unit high, with the foot at the origin, looking right. The caller scales and fills them. */
export type Silhouette = (context: SKRSContext2D, phase: number) => void;

export const cat: Silhouette = (context, phase) => {
  // Sits and sways its tail.
  context.beginPath();
  context.moveTo(-0.3, 0);
  context.bezierCurveTo(-0.42, -0.3, -0.24, -0.56, 0.02, -0.66);
  context.lineTo(-0.02, -0.94);
  context.lineTo(0.11, -0.83);
  context.quadraticCurveTo(0.18, -0.86, 0.25, -0.84);
  context.lineTo(0.36, -0.95);
  context.lineTo(0.37, -0.72);
  context.bezierCurveTo(0.42, -0.6, 0.32, -0.5, 0.25, -0.48);
  context.bezierCurveTo(0.27, -0.3, 0.25, -0.15, 0.27, 0);
  context.closePath();
  context.fill();
  const sway = Math.sin(phase * 1.6) * 0.09;
  context.lineWidth = 0.07;
  context.lineCap = 'round';
  context.beginPath();
  context.moveTo(-0.22, -0.04);
  context.bezierCurveTo(-0.5, 0, -0.66, -0.16, -0.56 + sway, -0.42);
  context.stroke();
};

export const dog: Silhouette = (context, phase) => {
  context.beginPath();
  context.moveTo(-0.46, -0.56);
  context.bezierCurveTo(-0.2, -0.62, 0.1, -0.58, 0.22, -0.64);
  context.lineTo(0.3, -0.86);
  context.lineTo(0.36, -0.98);
  context.lineTo(0.42, -0.84);
  context.quadraticCurveTo(0.6, -0.8, 0.66, -0.72);
  context.quadraticCurveTo(0.6, -0.64, 0.46, -0.64);
  context.bezierCurveTo(0.4, -0.5, 0.36, -0.4, 0.32, -0.34);
  context.lineTo(-0.42, -0.32);
  context.closePath();
  context.fill();
  context.lineCap = 'round';
  context.lineWidth = 0.09;
  context.beginPath();
  for (const [x, lag] of [
    [-0.38, 0],
    [-0.28, 2],
    [0.18, 3],
    [0.27, 1],
  ] as const) {
    context.moveTo(x, -0.36);
    context.lineTo(x + Math.sin(phase * 5 + lag * 1.6) * 0.1, -0.02);
  }
  context.stroke();
  context.lineWidth = 0.07;
  context.beginPath();
  context.moveTo(-0.44, -0.52);
  context.quadraticCurveTo(-0.6, -0.66, -0.58, -0.82 + Math.sin(phase * 8) * 0.04);
  context.stroke();
};

export const horse: Silhouette = (context, phase) => {
  context.beginPath();
  context.moveTo(-0.44, -0.62);
  context.bezierCurveTo(-0.2, -0.72, 0.06, -0.6, 0.2, -0.7);
  context.lineTo(0.38, -0.98);
  context.lineTo(0.44, -1.06);
  context.lineTo(0.47, -0.98);
  context.lineTo(0.68, -0.8);
  context.lineTo(0.62, -0.73);
  context.lineTo(0.46, -0.8);
  context.bezierCurveTo(0.4, -0.66, 0.36, -0.5, 0.28, -0.42);
  context.lineTo(-0.4, -0.42);
  context.closePath();
  context.fill();
  context.lineWidth = 0.075;
  context.lineCap = 'round';
  context.beginPath();
  for (const [x, lag] of [
    [-0.38, 0],
    [-0.3, 2.2],
    [0.16, 3.4],
    [0.24, 1.2],
  ] as const) {
    const swing = Math.sin(phase * 4 + lag) * 0.11;
    context.moveTo(x, -0.46);
    context.lineTo(x + swing * 0.4, -0.24);
    context.lineTo(x + swing, -0.02);
  }
  context.moveTo(-0.42, -0.58);
  context.quadraticCurveTo(-0.6, -0.5, -0.58, -0.24);
  context.stroke();
};

export const person: Silhouette = (context, phase) => {
  context.beginPath();
  context.arc(0.01, -0.92, 0.075, 0, Math.PI * 2);
  context.fill();
  context.beginPath();
  context.moveTo(-0.1, -0.8);
  context.quadraticCurveTo(0, -0.86, 0.1, -0.8);
  context.lineTo(0.13, -0.4);
  context.lineTo(-0.13, -0.4);
  context.closePath();
  context.fill();
  context.lineCap = 'round';
  context.lineWidth = 0.075;
  const stride = Math.sin(phase * 3.4) * 0.1;
  context.beginPath();
  context.moveTo(-0.05, -0.42);
  context.lineTo(-0.05 - stride, -0.02);
  context.moveTo(0.05, -0.42);
  context.lineTo(0.05 + stride, -0.02);
  context.stroke();
  context.lineWidth = 0.05;
  context.beginPath();
  context.moveTo(-0.1, -0.76);
  context.lineTo(-0.15 + stride * 0.6, -0.48);
  context.moveTo(0.1, -0.76);
  context.lineTo(0.15 - stride * 0.6, -0.48);
  context.stroke();
};

/** A sailing boat; the water line is at y = 0. */
export const boat: Silhouette = (context) => {
  context.beginPath();
  context.moveTo(-0.44, -0.12);
  context.lineTo(0.5, -0.14);
  context.quadraticCurveTo(0.36, 0.06, 0.2, 0.07);
  context.lineTo(-0.3, 0.07);
  context.quadraticCurveTo(-0.42, 0.02, -0.44, -0.12);
  context.fill();
  context.fillRect(-0.012, -1.06, 0.024, 0.95);
};

/** The sails of `boat`, to be filled in another colour. */
export const sails: Silhouette = (context, phase) => {
  const belly = 0.06 + Math.sin(phase * 1.1) * 0.015;
  context.beginPath();
  context.moveTo(0.03, -1.02);
  context.bezierCurveTo(0.2 + belly, -0.75, 0.36 + belly, -0.45, 0.42, -0.2);
  context.quadraticCurveTo(0.2, -0.16, 0.03, -0.18);
  context.closePath();
  context.moveTo(-0.03, -0.92);
  context.bezierCurveTo(-0.14, -0.7, -0.27, -0.42, -0.33, -0.2);
  context.quadraticCurveTo(-0.2, -0.17, -0.03, -0.18);
  context.closePath();
  context.fill();
};

/** A flying bird with its body at the origin. */
export const bird: Silhouette = (context, phase) => {
  const lift = Math.sin(phase * 6.5) * 0.28;
  context.beginPath();
  context.moveTo(-0.5, -0.12 - lift);
  context.quadraticCurveTo(-0.24, -0.2 - lift * 0.3, 0, 0);
  context.quadraticCurveTo(0.24, -0.2 - lift * 0.3, 0.5, -0.12 - lift);
  context.quadraticCurveTo(0.22, -0.08, 0, 0.08);
  context.quadraticCurveTo(-0.22, -0.08, -0.5, -0.12 - lift);
  context.fill();
};

export const balloon: Silhouette = (context) => {
  context.beginPath();
  context.arc(0, -0.68, 0.32, Math.PI * 0.86, Math.PI * 2.14);
  context.bezierCurveTo(0.24, -0.4, 0.1, -0.24, 0.08, -0.2);
  context.lineTo(-0.08, -0.2);
  context.bezierCurveTo(-0.1, -0.24, -0.24, -0.4, -0.29, -0.54);
  context.fill();
  context.lineWidth = 0.012;
  context.beginPath();
  context.moveTo(-0.07, -0.2);
  context.lineTo(-0.05, -0.1);
  context.moveTo(0.07, -0.2);
  context.lineTo(0.05, -0.1);
  context.stroke();
  context.fillRect(-0.06, -0.11, 0.12, 0.1);
};

export const lighthouse: Silhouette = (context) => {
  context.beginPath();
  context.moveTo(-0.13, 0);
  context.lineTo(-0.075, -0.78);
  context.lineTo(0.075, -0.78);
  context.lineTo(0.13, 0);
  context.fill();
  context.fillRect(-0.11, -0.81, 0.22, 0.035);
  context.fillRect(-0.06, -0.92, 0.12, 0.12);
  context.beginPath();
  context.moveTo(-0.085, -0.91);
  context.quadraticCurveTo(0, -1.06, 0.085, -0.91);
  context.fill();
};

export const house: Silhouette = (context) => {
  context.beginPath();
  context.moveTo(-0.62, -0.42);
  context.lineTo(-0.06, -0.92);
  context.lineTo(0.5, -0.42);
  context.lineTo(0.44, -0.42);
  context.lineTo(0.44, 0.06);
  context.lineTo(-0.56, 0.06);
  context.lineTo(-0.56, -0.42);
  context.fill();
  context.fillRect(0.2, -0.92, 0.12, 0.32);
};

/** A broad-leaved tree. */
export const tree: Silhouette = (context, phase) => {
  context.beginPath();
  context.moveTo(-0.07, 0.03);
  context.quadraticCurveTo(-0.02, -0.3, -0.05, -0.5);
  context.lineTo(0.05, -0.5);
  context.quadraticCurveTo(0.03, -0.3, 0.08, 0.03);
  context.fill();
  const sway = Math.sin(phase * 0.9) * 0.012;
  for (const [x, y, radius] of [
    [0, -0.76, 0.25],
    [-0.22, -0.62, 0.2],
    [0.22, -0.63, 0.2],
    [-0.1, -0.52, 0.18],
    [0.13, -0.52, 0.17],
    [-0.3, -0.5, 0.11],
    [0.31, -0.51, 0.11],
    [0.1, -0.88, 0.14],
    [-0.13, -0.85, 0.14],
  ] as const) {
    context.beginPath();
    context.arc(x + sway * (1 - y), y, radius, 0, Math.PI * 2);
    context.fill();
  }
};

export const car: Silhouette = (context) => {
  context.beginPath();
  context.moveTo(-0.98, -0.16);
  context.quadraticCurveTo(-1, -0.4, -0.86, -0.43);
  context.lineTo(-0.58, -0.47);
  context.bezierCurveTo(-0.44, -0.68, -0.34, -0.74, -0.12, -0.75);
  context.bezierCurveTo(0.16, -0.76, 0.3, -0.66, 0.48, -0.48);
  context.bezierCurveTo(0.72, -0.46, 0.94, -0.42, 0.98, -0.3);
  context.lineTo(0.99, -0.16);
  context.closePath();
  context.fill();
  for (const x of [-0.58, 0.6]) {
    context.beginPath();
    context.arc(x, -0.14, 0.155, 0, Math.PI * 2);
    context.fill();
  }
};

export const fish: Silhouette = (context, phase) => {
  const flick = Math.sin(phase * 7) * 0.1;
  context.beginPath();
  context.moveTo(0.5, 0);
  context.bezierCurveTo(0.3, -0.26, -0.1, -0.22, -0.3, -0.02);
  context.lineTo(-0.56, -0.2 + flick);
  context.lineTo(-0.48, 0 + flick * 0.6);
  context.lineTo(-0.56, 0.2 + flick);
  context.lineTo(-0.3, 0.02);
  context.bezierCurveTo(-0.1, 0.22, 0.3, 0.2, 0.5, 0);
  context.fill();
};

export const whale: Silhouette = (context, phase) => {
  const beat = Math.sin(phase * 1.1) * 0.09;
  context.beginPath();
  context.moveTo(0.98, 0.02);
  context.bezierCurveTo(0.9, -0.26, 0.4, -0.3, 0.02, -0.22);
  context.bezierCurveTo(-0.3, -0.15, -0.6, -0.08 + beat * 0.4, -0.82, -0.02 + beat);
  context.lineTo(-1.06, -0.18 + beat * 1.6);
  context.lineTo(-0.98, 0.02 + beat * 1.3);
  context.lineTo(-1.06, 0.16 + beat * 1.6);
  context.lineTo(-0.8, 0.05 + beat);
  context.bezierCurveTo(-0.5, 0.12, -0.2, 0.2, 0.3, 0.2);
  context.bezierCurveTo(0.6, 0.2, 0.92, 0.18, 0.98, 0.02);
  context.fill();
  context.beginPath();
  context.moveTo(0.34, 0.14);
  context.quadraticCurveTo(0.22, 0.36 + beat, 0.02, 0.4 + beat);
  context.quadraticCurveTo(0.1, 0.26, 0.14, 0.12);
  context.fill();
};

/** A rocket that flies to the right. */
export const rocket: Silhouette = (context) => {
  context.beginPath();
  context.moveTo(0.62, 0);
  context.bezierCurveTo(0.42, -0.17, 0.1, -0.16, -0.4, -0.13);
  context.lineTo(-0.56, -0.28);
  context.lineTo(-0.5, 0);
  context.lineTo(-0.56, 0.28);
  context.lineTo(-0.4, 0.13);
  context.bezierCurveTo(0.1, 0.16, 0.42, 0.17, 0.62, 0);
  context.fill();
};
