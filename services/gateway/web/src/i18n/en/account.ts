/** Signing in and up, and the refusals of both. */
export const account = {
  signIn: 'Sign in',
  createAccount: 'Create account',
  signInTitle: 'Sign in to Parley',
  createTitle: 'Create your account',
  signInText: 'Messages that arrive: nothing lost, nothing doubled, always in order.',
  createText: 'A name and a password are all it takes.',
  toCreate: 'New here?',
  toCreateAction: 'Sign up',
  toSignIn: 'You have an account?',
  toSignInAction: 'Go to sign-in',
  ended: 'Your session has ended. Please sign in again. What you had not sent yet waits for you.',

  username: 'Username',
  password: 'Password',
  displayName: 'Display name',
  usernameHint: '3 to 32 characters: a to z, 0 to 9, _ and -. It can’t be changed later.',
  passwordHint: '8 characters or more.',
  displayNameHint: 'What others see. You may leave it empty and change it at any time.',
  showPassword: 'Show password',
  hidePassword: 'Hide password',

  usernameMissing: 'Please enter your username.',
  usernameWrong: 'Use 3 to 32 characters out of a to z, 0 to 9, _ and -.',
  usernameTaken: (name: string) => `${name} is taken. Please choose another name.`,
  passwordMissing: 'Please enter your password.',
  passwordWrong: 'Use 8 to 128 characters.',
  displayNameWrong: 'Use 1 to 64 visible characters.',
  wrong: 'The username or the password is wrong.',
};

/** What a refusal means, wherever it comes up. */
export const problems = {
  network: 'Parley can’t be reached. Check your network, then try again.',
  unavailable: 'Parley has trouble right now. Please try again in a moment.',
  tooOften: (wait: string) => `Too many tries. Please wait ${wait}, then try again.`,
};
