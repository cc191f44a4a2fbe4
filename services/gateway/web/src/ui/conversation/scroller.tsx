import { Component, type ComponentChildren, createRef, type JSX, type TargetedKeyboardEvent } from 'preact';
import { type Position, ScrollKeeper } from './keeper';

interface ScrollerProps {
  label: string;
  isBusy: boolean;
  /** Where it begins. */
  position: Position;
  children: ComponentChildren;
  /** It is there. Called once, before anything is painted. */
  onReady(keeper: ScrollKeeper): void;
  /** Everything is in its place, after a change of the rows or of a size. */
  onSettled(): void;
  onScrolled(isByPerson: boolean, scroller: HTMLElement): void;
  onKeyDown(event: TargetedKeyboardEvent<HTMLDivElement>): void;
}

/** Scrolls rows (elements with `data-key`) and keeps in its place what is on the screen, whatever comes or goes. */
export class Scroller extends Component<ScrollerProps> {
  readonly #element = createRef<HTMLDivElement>();
  readonly #column = createRef<HTMLDivElement>();
  #keeper: ScrollKeeper | null = null;
  #sizes: ResizeObserver | null = null;

  override componentDidMount(): void {
    const element = this.#element.current;
    const column = this.#column.current;
    if (!element || !column) return;
    this.#keeper = new ScrollKeeper(element, this.props.position);
    this.props.onReady(this.#keeper);
    this.#settle();
    this.#sizes = new ResizeObserver(() => this.#settle());
    this.#sizes.observe(element);
    this.#sizes.observe(column);
  }

  override getSnapshotBeforeUpdate(): null {
    this.#keeper?.capture();
    return null;
  }

  override componentDidUpdate(): void {
    this.#settle();
  }

  override componentWillUnmount(): void {
    this.#sizes?.disconnect();
  }

  #settle(): void {
    this.#keeper?.settle();
    this.props.onSettled();
  }

  override render(): JSX.Element {
    const { label, isBusy, children, onKeyDown } = this.props;
    return (
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- keys scroll, and more
      <div
        ref={this.#element}
        class="scroller"
        role="log"
        aria-label={label}
        aria-live="off"
        aria-busy={isBusy}
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls takes the focus
        tabIndex={0}
        onScroll={event => this.props.onScrolled(this.#keeper?.scrolled() ?? false, event.currentTarget)}
        onKeyDown={onKeyDown}
      >
        <div ref={this.#column} class="column">
          {children}
        </div>
      </div>
    );
  }
}
