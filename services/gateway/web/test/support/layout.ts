/** A layout for a page that has none: every row of a list is as high as the others, and the list scrolls. */

import { onTestFinished } from 'vitest';

export interface Layout {
  /** px of what is on the screen of the list. */
  view: number;
  /** px of every row: messages, days, the divider. */
  row: number;
}

/** Lay out scrollers until the test ends. What comes back can be changed. */
export function layOut(layout: Layout = { view: 400, row: 40 }): Layout {
  const tops = new WeakMap<Element, number>();
  const isScroller = (element: Element): boolean => element.classList.contains('scroller');
  const rowsOf = (scroller: Element): Element[] => [...scroller.querySelectorAll('ol > li')];
  const heightOf = (scroller: Element): number => Math.max(layout.view, rowsOf(scroller).length * layout.row);
  const topOf = (scroller: Element): number =>
    Math.max(0, Math.min(tops.get(scroller) ?? 0, heightOf(scroller) - layout.view));

  replace('getBoundingClientRect', {
    value(this: Element): DOMRect {
      if (isScroller(this)) return new DOMRect(0, 0, 300, layout.view);
      const scroller = this.closest('.scroller');
      const row = this.closest('li');
      if (!scroller || !row) return new DOMRect();
      return new DOMRect(0, rowsOf(scroller).indexOf(row) * layout.row - topOf(scroller), 300, layout.row);
    },
  });
  replace('clientHeight', {
    get(this: Element): number {
      return isScroller(this) ? layout.view : 0;
    },
  });
  replace('scrollHeight', {
    get(this: Element): number {
      return isScroller(this) ? heightOf(this) : 0;
    },
  });
  replace('scrollTop', {
    get(this: Element): number {
      return topOf(this);
    },
    set(this: Element, top: number) {
      tops.set(this, top);
    },
  });
  return layout;
}

/** Scroll as a person does. */
export function scroll(scroller: Element, top: number): void {
  scroller.scrollTop = top;
  scroller.dispatchEvent(new Event('scroll'));
}

/** Give all elements another property until the test ends. */
function replace(name: string, property: PropertyDescriptor): void {
  const own = Object.getOwnPropertyDescriptor(HTMLElement.prototype, name);
  Object.defineProperty(HTMLElement.prototype, name, { ...property, configurable: true });
  onTestFinished(() => {
    if (own) Object.defineProperty(HTMLElement.prototype, name, own);
    else Reflect.deleteProperty(HTMLElement.prototype, name);
  });
}
