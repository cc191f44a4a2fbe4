const GAP_PX = 4;
const EDGE_PX = 8;

/** Puts a fixed element under an element, or at a point; above or to the left where there is no room. */
export function placeBeside(floating: HTMLElement, anchor: Element | { readonly x: number; readonly y: number }): void {
  const isPoint = !(anchor instanceof Element);
  const box = isPoint
    ? { left: anchor.x, right: anchor.x, top: anchor.y, bottom: anchor.y }
    : anchor.getBoundingClientRect();
  const gap = isPoint ? 0 : GAP_PX;
  const { offsetWidth: width, offsetHeight: height } = floating;
  const isRoomBelow = box.bottom + gap + height + EDGE_PX <= innerHeight;
  const isRoomBeside = box.left + width + EDGE_PX <= innerWidth;
  const top = isRoomBelow ? box.bottom + gap : box.top - gap - height;
  const left = isRoomBeside ? box.left : box.right - width;
  floating.style.top = `${Math.max(EDGE_PX, Math.min(top, innerHeight - height - EDGE_PX))}px`;
  floating.style.left = `${Math.max(EDGE_PX, Math.min(left, innerWidth - width - EDGE_PX))}px`;
}
